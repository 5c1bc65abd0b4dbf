import { visitValues } from '../json-members.js'
import { followPointer } from '../json-pointer.js'
import type { ModelPlace, TokenRule } from './contract.js'

/** Of a longer name, the beginning counts. */
const LONGEST_NAME = 128
const MOST_DECODINGS = 3

interface Asking {
  readonly json: unknown
  readonly params: Readonly<Record<string, string | undefined>>
}

/**
 * The model that a request asks for, folded as a name that buckets are kept under. Empty when it names none, or several
 * that different backends would choose between: leaving it out, or in doubt, is one bucket, not a way around.
 */
export function modelOf (asking: Asking, rules: readonly TokenRule[]): string {
  for (const { places } of rules) {
    for (const place of places.models) {
      const name = place.in === 'path' ? decoded(asking.params[place.name] ?? '') : nameAt(asking.json, place)
      if (name !== '') return fold(name)
    }
  }
  return ''
}

/** Also in another case: some backends do not tell the names of members apart by it. */
function nameAt (json: unknown, { pointer }: Extract<ModelPlace, { in: 'body' }>): string {
  const names: unknown[] = []
  visitValues(json, pointer, (value) => { names.push(value) })
  const own = followPointer(json, pointer)
  return names.length === 1 && typeof own === 'string' ? own.trim() : ''
}

/** Percent-encoded, perhaps more than once; what is not stays. */
function decoded (text: string): string {
  let name = text
  try {
    for (let i = 0; i < MOST_DECODINGS && name.includes('%'); i++) name = decodeURIComponent(name)
  } catch {}
  return name.trim()
}

/** No character of it can end a bucket's name, or the part of it that says where it lies on a cluster. */
function fold (name: string): string {
  return encodeURIComponent(name.slice(0, LONGEST_NAME).toWellFormed().toLowerCase())
}
