/** What a body says in one place, and whether every backend would read it so. */
import { isSameName, visitNamed } from '../json-members.js'
import type { PointerPattern } from '../json-pattern.js'

export interface Reading {
  /** What stands there, under the names as the pointer writes them; null is nothing. */
  readonly values: readonly unknown[]
  /** A name on the way is spelled in another case, too or instead: some backends take it for the same. */
  readonly isDoubtful: boolean
}

export function readAt (body: unknown, at: PointerPattern): Reading {
  const values: unknown[] = []
  let isDoubtful = false
  visitNamed(body, at, {
    visit: (value) => { if (value !== undefined && value !== null) values.push(value) },
    isName: (name, sought) => {
      if (name === sought) return true
      isDoubtful ||= isSameName(name, sought)
      return false
    },
  })
  return { values, isDoubtful }
}
