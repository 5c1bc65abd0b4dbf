import type { Clock } from '../clock.js'
import type { Exchange } from '../exchange.js'
import type { ConcurrencyRule } from '../policy/contract.js'
import type { LeaseStore } from './contract.js'
import { followPointer } from '../json-pointer.js'

/** What the backend said about its running streams: status and parsed body. */
export interface ActiveAnswer {
  readonly status: number
  readonly body: unknown
}

/**
 * Asks the backend with the caller's credentials for `path`. Undefined (or a rejection): no usable answer in time.
 * Time and size are the asker's to bound.
 */
export type AskActive = (exchange: Exchange, path: string) => Promise<ActiveAnswer | undefined>

/** Frees leases whose streams the backend no longer names. Never rejects: who does not know frees nothing. */
export type FreeEnded = (exchange: Exchange, rule: ConcurrencyRule, holder: string) => Promise<void>

export interface FreeEndedParts {
  readonly store: LeaseStore
  readonly askActive: AskActive
  readonly clock: Clock
  onError? (error: Error): void
}

/**
 * Only leases that were bound before the question was sent can be freed by its answer: of the others it knows nothing.
 * Messages of one holder that find no room at the same time share one question.
 */
export function createFreeEnded ({ store, askActive, clock, onError }: FreeEndedParts): FreeEnded {
  const asking = new Map<string, Promise<void>>()

  async function ask (exchange: Exchange, rule: ConcurrencyRule, holder: string): Promise<void> {
    const active = rule.stream?.active
    if (active === undefined) return
    const { records } = await store.list(holder, rule.name, clock())
    const bound = records.filter(({ stream }) => stream !== undefined)
    if (bound.length === 0) return
    const running = runningStreams(await askQuietly(exchange, active.path), active.list)
    if (running === undefined) return
    const ended = bound.filter(({ stream }) => stream !== undefined && !running.has(stream))
    await Promise.all(ended.map(async (record) => await store.release(record)))
  }

  async function askQuietly (exchange: Exchange, path: string): Promise<ActiveAnswer | undefined> {
    try {
      return await askActive(exchange, path)
    } catch {
      return undefined
    }
  }

  return (exchange, rule, holder) => {
    const key = `${rule.name} ${holder}`
    const running = asking.get(key)
    if (running !== undefined) return running
    const asked = ask(exchange, rule, holder)
      .catch((error: unknown) => { onError?.(error instanceof Error ? error : new Error(String(error))) })
      .finally(() => asking.delete(key))
    asking.set(key, asked)
    return asked
  }
}

/** Undefined unless the answer is a 200 with an array of strings at the pointer. */
function runningStreams (answer: ActiveAnswer | undefined, list: readonly string[]): ReadonlySet<string> | undefined {
  if (answer?.status !== 200) return undefined
  const names = followPointer(answer.body, list)
  if (!Array.isArray(names)) return undefined
  return names.every((name) => typeof name === 'string') ? new Set<string>(names) : undefined
}
