export const PATTERN_RULE = 'characters, classes such as [a-z] or \\w, one (a|b) of plain texts, and at most ' +
  'two of *, +, ?, {n,m} (one when it does not begin with ^)'

/** Characters that a pattern may ask for at least: alone, and where two quantifiers already square the work. */
const MAX_LENGTH = 512
const MAX_LENGTH_SQUARED = 50

/** One group of plain texts, or one atom with its quantifier. */
const PART = new RegExp([
  String.raw`(?<group>\((?:\?:)?[\w-]+(?:\|[\w-]+)*\))`,
  String.raw`(?:\[\^?(?:[^\\[\]]|\\[^\n])+\]|\\[^\w\s]|\\[dwsDWS]|[^\\^$*+?()[\]{}|])` +
  String.raw`(?:\{(?<fixed>\d{1,3})\}|(?<variable>[*+?]|\{(?<least>\d{1,3}),\d{0,3}\}))?`,
].join('|'), 'g')

/**
 * True when a pattern cannot be made to run long: each variable quantifier, and a start that may be anywhere,
 * multiplies the work by the length of the key, so that two of them are allowed. Nothing may be nested.
 */
export function isSafePattern (pattern: string): boolean {
  const anchored = pattern.startsWith('^')
  const end = pattern.endsWith('$') && !pattern.endsWith('\\$') ? pattern.length - 1 : pattern.length
  const body = pattern.slice(anchored ? 1 : 0, end)
  let freedom = anchored ? 0 : 1
  let groups = 0
  let length = 0
  let last = 0
  for (const { index, 0: text, groups: part } of body.matchAll(PART)) {
    if (index !== last) return false
    last += text.length
    if (part?.group !== undefined) groups += 1
    if (part?.variable !== undefined) freedom += 1
    length += Number(part?.fixed ?? part?.least ?? 1) + (part?.group?.length ?? 0)
  }
  if (last !== body.length || groups > 1 || freedom > 2) return false
  return length <= (freedom === 2 ? MAX_LENGTH_SQUARED : MAX_LENGTH) && compiles(pattern)
}

function compiles (pattern: string): boolean {
  try {
    return new RegExp(pattern) instanceof RegExp
  } catch {
    return false
  }
}
