import type { ConcurrencyDocument, PolicyDocument } from '../config/schema.js'
import type { DocumentPath, Report } from './compile.js'
import { keysOf, onFailureOf, scoreOf } from './compile-limiters.js'
import type { ConcurrencyRule } from './contract.js'
import { pointerOf } from './pointers.js'

/** Makes the rules for messages in flight; those that are switched off are left out. */
export function compileConcurrency (document: PolicyDocument, report: Report): Map<string, ConcurrencyRule> {
  const rules = new Map<string, ConcurrencyRule>()
  for (const [name, entry] of Object.entries(document.concurrency ?? {})) {
    if (entry.enabled === false || entry.mode === 'off') continue
    rules.set(name, {
      name,
      key: keysOf(entry.key ?? ['user'], ['concurrency', name, 'key'], report),
      max: entry.max ?? 2,
      leaseMs: entry.lease ?? 300_000,
      release: entry.release ?? 'response',
      violation: entry.violation,
      score: scoreOf(entry, document.violations ?? {}),
      observe: entry.mode === 'observe',
      onFailure: entry.onFailure ?? onFailureOf(document),
      stream: compileStream(entry, ['concurrency', name, 'stream'], report),
    })
  }
  return rules
}

function compileStream ({ stream }: ConcurrencyDocument, path: DocumentPath, report: Report): ConcurrencyRule['stream'] {
  if (stream === undefined) return undefined
  const { id = '/streamId', repeat, aborted, active } = stream
  const read = (pointer: string, ...key: string[]) => pointerOf(pointer, [...path, ...key], report)
  return {
    id: read(id, 'id'),
    repeat: repeat === undefined ? undefined : read(repeat, 'repeat'),
    aborted: aborted === undefined ? undefined : read(aborted, 'aborted'),
    active: active === undefined ? undefined : { path: active.path, list: read(active.list, 'active', 'list') },
  }
}
