import { RE2JS } from 're2js'
import type { FindInPrompt } from '../contract.js'
import { quickenStrings } from '../quicken-strings.js'

/** What is wrong with a pattern, in RE2's words; undefined: nothing. For reports of the configuration. */
export function patternMistake (source: string): string | undefined {
  try {
    RE2JS.compile(source)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * A pattern (RE2: linear in time, no look-around, no back references) that matches anywhere in a message or in one of
 * its readings. Readings are lower case without accents, the message itself is as it came; `(?i)` ignores case.
 * Throws on a pattern of which `patternMistake` has something to say.
 */
export function createPatternCheck ({ patterns }: { patterns: readonly string[] }): FindInPrompt {
  quickenStrings()
  const compiled = patterns.map((source) => ({ source, pattern: RE2JS.compile(source) }))
  return ({ plain, spellings }) => {
    for (const { source, pattern } of compiled) {
      const matches = (text: string) => pattern.test(text)
      if (plain.some(matches) || spellings.some(matches)) return { found: source }
    }
    return undefined
  }
}
