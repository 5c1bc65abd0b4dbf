import type { FindInPrompt } from '../contract.js'
import { quickenStrings } from '../quicken-strings.js'
import { countPlainly, countSigns, type SignCount } from './signs.js'

export interface NonAlphanumericOptions {
  /** Share that still passes, 0 to 1; 0 = off. */
  readonly above: number
  /** The bare ratio of the replaced system: Python's `not c.isalnum()` over all characters. */
  readonly plain: boolean
}

/** Fewer signs are no disguise: `:)`, `???`. */
const FEWEST_SIGNS = 12
const DECIMALS = 3

/**
 * A message of which too much is neither letter nor digit: strictly more than `above`. Letters and digits of all
 * scripts are such. An empty message passes.
 */
export function createNonAlphanumericCheck ({ above, plain }: NonAlphanumericOptions): FindInPrompt {
  if (above === 0) return () => undefined
  quickenStrings()
  return ({ messages }) => {
    for (const parts of messages) {
      const { counted, signs } = total(parts, plain ? countPlainly : countSigns)
      if (counted === 0 || (!plain && signs < FEWEST_SIGNS)) continue
      if (signs / counted > above) return { found: (signs / counted).toFixed(DECIMALS) }
    }
    return undefined
  }
}

/** Over all parts of a message, without anything between them. */
function total (parts: readonly string[], count: (text: string) => SignCount): SignCount {
  let counted = 0
  let signs = 0
  for (const part of parts) {
    const one = count(part)
    counted += one.counted
    signs += one.signs
  }
  return { counted, signs }
}
