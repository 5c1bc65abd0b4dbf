import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import type { Place } from './mistake.js'

export interface DotenvEntry { readonly text: string, readonly place: Place }

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*/

/**
 * Reads an env file (quotes, `export`, comments, CRLF) with the place of every value.
 * Undefined: there is none. Throws when it is there and cannot be read.
 */
export function readDotenv (path: string, shownAs: string): ReadonlyMap<string, DotenvEntry> | undefined {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const text = content.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
  const places = placesOf(text, shownAs)
  const entries = Object.entries(parseEnv(text))
  return new Map(entries.map(([name, value]) => [name, { text: value ?? '', place: places.get(name) ?? { file: shownAs } }]))
}

/** Where the value of each name begins; the last assignment counts, as it does for the value. */
function placesOf (text: string, file: string): Map<string, Place> {
  const places = new Map<string, Place>()
  text.split('\n').forEach((line, index) => {
    const found = assignment.exec(line)
    if (found?.[1] !== undefined) places.set(found[1], { file, line: index + 1, col: found[0].length + 1 })
  })
  return places
}
