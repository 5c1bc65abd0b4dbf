const UNITS = [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1]] as const

/** Milliseconds as people write them: `90m` stays exact (`1h 30m`), 0 is `0s`. */
export function durationText (ms: number): string {
  const parts: string[] = []
  let left = Math.round(ms)
  for (const [unit, size] of UNITS) {
    const count = Math.floor(left / size)
    if (count > 0) parts.push(`${count}${unit}`)
    left -= count * size
  }
  return parts.length === 0 ? '0s' : parts.join(' ')
}
