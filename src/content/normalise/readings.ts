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
import { readTags } from './tags.js'

/** Every reading of a message, each once, the plainest first: mostly one or two, never more than forty. */
export function readingsOf (message: PromptMessage, steps: Normalisation): string[] {
  return [...new Set(eachReading(message, steps))]
}

/** The same, one by one as they are made, some more than once. */
export function * eachReading (message: PromptMessage, steps: Normalisation): Iterable<string> {
  for (const text of decodings(message, steps)) yield * readingsOfText(text, steps)
}

/** The message, its parts on lines of their own and as one, and what it says once it is decoded. */
function * decodings (message: PromptMessage, { encoded }: Normalisation): Iterable<string> {
  const texts = new Set([message.join('\n')])
  if (message.length > 1) texts.add(message.join(''))
  yield * texts
  if (!encoded) return
  for (const text of texts) {
    const decoded = decode(text)
    if (decoded !== text) yield decoded
    if (looksTurned(text)) yield rot13(text)
    const shown = readTags(text)
    if (shown !== text) yield shown
  }
}

/** One level: what a segment decodes to is not decoded again, unless by another way of encoding. */
function decode (text: string): string {
  return decodeBase64(decodeHex(unescape(text)))
}

/** As it stands, with letters for those that look like them, with its single letters joined, and each as leetspeak. */
function * readingsOfText (text: string, steps: Normalisation): Iterable<string> {
  const { invisible, confusables } = steps
  const compatible = steps.compatibility ? foldCompatibility(text) : text
  const folded = characterTable({ invisible, confusables: false }).fold(compatible)
  yield folded
  const alike = confusables ? characterTable({ invisible, confusables }).fold(undecideTwins(compatible)) : folded
  if (alike !== folded) yield alike
  // The signs between `l!m!t` are gaps or letters.
  const joined = steps.spacedOut ? joinSpacedOut(alike) : alike
  if (joined !== alike) yield joined
  if (!steps.leetspeak) return
  yield readLeetspeak(alike)
  if (joined !== alike) yield readLeetspeak(joined)
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
