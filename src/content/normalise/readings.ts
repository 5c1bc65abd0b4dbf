import type { PromptMessage } from '../../prompt/contract.js'
import type { Normalisation } from '../contract.js'
import { decodeBase64 } from './base64.js'
import { characterTable } from './character-table.js'
import { foldCompatibility } from './compatibility.js'
import { undecideTwins } from './confusables.js'
import { unescape } from './escapes.js'
import { decodeHex } from './hex.js'
import { readLeetspeak } from './leetspeak.js'
import { looksTurned, rot13 } from './rot13.js'
import { joinSpacedOut } from './spaced-out.js'

/** Every reading of a message, each once, the plainest first: mostly one or two, never more than thirty. */
export function readingsOf (message: PromptMessage, steps: Normalisation): string[] {
  const readings = new Set<string>()
  for (const text of decodings(message, steps)) addReadings(text, steps, readings)
  return [...readings]
}

/** The message, its parts on lines of their own and as one, and what it says once it is decoded. */
function decodings (message: PromptMessage, { encoded }: Normalisation): Set<string> {
  const texts = new Set([message.join('\n')])
  if (message.length > 1) texts.add(message.join(''))
  if (!encoded) return texts
  for (const text of [...texts]) {
    texts.add(decode(text))
    if (looksTurned(text)) texts.add(rot13(text))
  }
  return texts
}

/** One level: what a segment decodes to is not decoded again, unless by another way of encoding. */
function decode (text: string): string {
  return decodeBase64(decodeHex(unescape(text)))
}

/** As it stands, with letters for those that look like them, with its single letters joined, and each as leetspeak. */
function addReadings (text: string, steps: Normalisation, readings: Set<string>): void {
  const { invisible, confusables } = steps
  const compatible = steps.compatibility ? foldCompatibility(text) : text
  const folded = characterTable({ invisible, confusables: false }).fold(compatible)
  const alike = confusables ? characterTable({ invisible, confusables }).fold(undecideTwins(compatible)) : folded
  // The signs between `l!m!t` are gaps or letters.
  const joined = steps.spacedOut ? joinSpacedOut(alike) : alike
  for (const reading of [folded, alike, joined]) readings.add(reading)
  if (steps.leetspeak) for (const reading of new Set([alike, joined])) readings.add(readLeetspeak(reading))
}

/** A keyword in every form that it has in a reading. */
export function formsOf (keyword: string, steps: Normalisation): Set<string> {
  const { invisible, confusables } = steps
  const compatible = steps.compatibility ? foldCompatibility(keyword) : keyword
  const forms = new Set([characterTable({ invisible, confusables: false }).fold(compatible)])
  if (!confusables) return forms
  const table = characterTable({ invisible, confusables })
  // What a letter looks like depends on its case.
  for (const cased of [compatible, compatible.toLowerCase(), compatible.toUpperCase()]) forms.add(table.fold(cased))
  return forms
}
