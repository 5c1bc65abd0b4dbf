const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000,
}
const MAX_LENGTH = 40
/** Whoever means longer means for ever. */
const MAX_DURATION_MS = 10 * 365 * 86_400_000
const PIECE = /(\d{1,9})(s|m|h|d|w)/y

/** What may stand where a ban's duration does, for messages. */
export const DURATION_EXPECTED = 'a duration with a unit such as 90m, 2h, 7d (up to ten years), or forever'

/**
 * How long a ban shall last, as an operator writes it: `90m`, `2h`, `1d12h`, `forever`. A number without a unit
 * is nothing: too many people were banned for minutes that were meant as milliseconds.
 * `durationMs` null = for ever; undefined when it cannot be read.
 */
export function parseBanDuration (text: string): { readonly durationMs: number | null } | undefined {
  if (text === 'forever') return { durationMs: null }
  if (text === '' || text.length > MAX_LENGTH) return undefined
  let durationMs = 0
  PIECE.lastIndex = 0
  for (let end = 0; end < text.length; end = PIECE.lastIndex) {
    const found = PIECE.exec(text)
    if (found === null) return undefined
    durationMs += Number(found[1]) * (UNITS_MS[found[2] ?? ''] ?? NaN)
  }
  return durationMs > 0 && durationMs <= MAX_DURATION_MS ? { durationMs } : undefined
}
