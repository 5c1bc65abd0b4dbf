import type { IdentityRequest } from './contract.js'

/**
 * Values of every field of that name, in order: `headers` shows only the first of some names and joins others.
 * @param name lower case.
 */
export function fieldValues (rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const field = rawHeaders[index] as string
    if (field.length === name.length && field.toLowerCase() === name) values.push(rawHeaders[index + 1] as string)
  }
  return values
}

/** All fields of that name as one text, in order; empty when there is none. */
export function textOf (headers: IdentityRequest['headers'], name: string): string {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value ?? ''
}

/** Entries of a comma list, the rightmost (written by the nearest proxy) first, empty ones left out. */
export function nearestEntries (text: string, most: number): string[] {
  const entries: string[] = []
  for (let end = text.length; end >= 0 && entries.length < most;) {
    const comma = end === 0 ? -1 : text.lastIndexOf(',', end - 1)
    const entry = text.slice(comma + 1, end).trim()
    if (entry !== '') entries.push(entry)
    end = comma
  }
  return entries
}
