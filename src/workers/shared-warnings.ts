import { LRUCache } from 'lru-cache'
import { isRecord } from '../files/own-file.js'
import { parseJson } from '../parse-json.js'

/** What several processes notice together they say within this time. */
const TOGETHER_MS = 10_000
const KEPT = 200
const WARNING = '{"level":"warn",'
/** Where a line comes from, and when, makes it no other warning. */
const APART = new Set(['time', 'pid', 'hostname', 'worker'])

/** All processes of a tree see a store go away; one line is enough to say so. */
export interface SharedWarnings {
  /** False when another process has just said the same. @param from the worker's number; 0: the primary */
  isNews (line: string, from: number): boolean
}

/** A line of the logger that warns. */
export function isWarning (line: string): boolean {
  return line.startsWith(WARNING)
}

export function createSharedWarnings (now: () => number): SharedWarnings {
  const said = new LRUCache<string, { readonly from: number, readonly at: number }>({ max: KEPT })
  return {
    isNews (line, from) {
      const key = keyOf(line)
      const before = said.get(key)
      // Whoever repeats himself has his reasons.
      if (before !== undefined && before.from !== from && now() - before.at < TOGETHER_MS) return false
      said.set(key, { from, at: now() })
      return true
    },
  }
}

/** The same event is not counted or timed alike by all who see it, so numbers do not tell warnings apart. */
function keyOf (line: string): string {
  const content = parseJson(line)
  if (!isRecord(content)) return line
  return JSON.stringify(Object.entries(content).flatMap(([name, value]) => {
    if (APART.has(name) || typeof value === 'number') return []
    return [[name, isRecord(value) && name === 'err' ? value['message'] : value]]
  }))
}
