/** Value below which that share of the list lies; NaN of nothing. */
export function quantile (values, share) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

/** The middle one, or the mean of the two in the middle. */
export function median (values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  const half = sorted.length >> 1
  if (sorted.length % 2 === 1) return sorted[half]
  return sorted.length === 0 ? NaN : (sorted[half - 1] + sorted[half]) / 2
}

/** A number for people; a dash where there is none. */
export function show (value, digits = 0) {
  if (!Number.isFinite(value)) return '–'
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

/** A markdown table; the first column is text, the others are numbers. */
export function table (head, rows) {
  const lines = [head, head.map((_, column) => column === 0 ? '---' : '--:'), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
