/** How many tokens a request gives a model to read. */
import type { Exchange } from '../exchange.js'
import { visitValues } from '../json-members.js'
import { promptOf } from '../prompt/prompt.js'
import type { TokenPlaces, TokenRule } from './contract.js'
import { estimateBytes, estimateTexts } from './estimate.js'
import { weigh, type Weight } from './weigh.js'

/** What settings and the names of members take in any request, and no model reads. */
const UNREAD_BYTES = 512
const NOTHING: Weight = { bytes: 0, binaryTokens: 0 }

/**
 * Word by word what the rule finds, and by its length what else the body has: servers put much into prompts that no
 * rule names, such as the arguments of tools called earlier.
 */
export function estimatePrompt (
  { json, fields, body }: Pick<Exchange, 'json' | 'fields' | 'body'>, { places, prompt }: TokenRule
): number {
  if (json === undefined && prompt === undefined) return estimateBytes(body?.length ?? 0)
  const all = json === undefined ? NOTHING : weigh(json)
  if (prompt === undefined) return estimateBytes(all.bytes) + all.binaryTokens
  const texts = promptOf({ json, fields }, prompt, 'all').flat()
  const numbered = numberedIn(json, places)
  const more = weigh(valuesAt(json, places.more))
  const found = texts.reduce((sum, text) => sum + Buffer.byteLength(text), numbered.bytes + more.bytes)
  return estimateTexts(texts) + numbered.tokens + estimateBytes(more.bytes) + all.binaryTokens +
    estimateBytes(Math.max(0, all.bytes - found - UNREAD_BYTES))
}

/** Tokens that stand in prompts as numbers. */
function numberedIn (json: unknown, { prompts }: Pick<TokenPlaces, 'prompts'>): { tokens: number, bytes: number } {
  let tokens = 0
  let bytes = 0
  for (const list of valuesAt(json, prompts)) {
    if (!Array.isArray(list)) continue
    for (const one of list) {
      const numbers = Array.isArray(one) ? one : typeof one === 'number' ? [one] : []
      tokens += numbers.length
      if (numbers.length > 0) bytes += weigh(numbers).bytes
    }
  }
  return { tokens, bytes }
}

function valuesAt (json: unknown, pointers: TokenPlaces['prompts']): unknown[] {
  const values: unknown[] = []
  for (const pointer of pointers) visitValues(json, pointer, (value) => { values.push(value) })
  return values
}
