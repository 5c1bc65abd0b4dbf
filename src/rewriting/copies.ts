/** Shorter texts, in UTF-16 units, stand in many others by chance: of them only what says the same and no more is a copy. */
const WINDOW = 16
/** Units that are compared before any likeness counts: only who makes it costly on purpose gets there. */
const MOST_COMPARED = 4 * 1024 * 1024
/** So much of a text is compared before the whole. */
const HEAD = 64
const FACTOR = 31
const SIEVE_BITS = 16

interface Wanted {
  readonly text: string
  readonly head: string
}

/**
 * Tells which texts repeat one of these, or all of them joined, in the same letters. Takes time linear in the texts.
 */
export function createCopyFinder (texts: readonly string[]): (text: string) => boolean {
  const wanted = wantedOf(texts)
  const byWindow = new Map<number, Wanted[]>()
  const sieve = new Uint8Array(1 << SIEVE_BITS)
  for (const text of wanted) {
    if (text.length < WINDOW) continue
    const hash = hashOf(text)
    const alike = byWindow.get(hash) ?? []
    alike.push({ text, head: text.slice(0, HEAD) })
    byWindow.set(hash, alike)
    sieve[hash >>> (32 - SIEVE_BITS)] = 1
  }
  let left = MOST_COMPARED
  const begins = (text: string, at: number, hash: number): boolean => (byWindow.get(hash) ?? []).some((one) => {
    left -= HEAD
    if (left >= 0 && !text.startsWith(one.head, at)) return false
    left -= one.text.length
    return left < 0 || text.startsWith(one.text, at)
  })
  return (text) => {
    if (wanted.has(text.trim())) return true
    if (byWindow.size === 0 || text.length < WINDOW) return false
    let hash = hashOf(text)
    for (let at = 0; ; at++) {
      if (sieve[hash >>> (32 - SIEVE_BITS)] === 1 && begins(text, at, hash)) return true
      if (at + WINDOW >= text.length) return false
      hash = roll(hash, text.charCodeAt(at), text.charCodeAt(at + WINDOW))
    }
  }
}

/** Without the white space around them, which says nothing. Several may be repeated as one. */
function wantedOf (texts: readonly string[]): Set<string> {
  const joined = texts.length > 1 ? ['', ' ', '\n'].map((between) => texts.join(between)) : []
  const wanted = new Set([...texts, ...joined].map((text) => text.trim()))
  wanted.delete('')
  return wanted
}

/** Of its first units. */
function hashOf (text: string): number {
  let hash = 0
  for (let i = 0; i < WINDOW; i++) hash = Math.imul(hash, FACTOR) + text.charCodeAt(i) | 0
  return hash
}

const LAST_FACTOR = Array.from({ length: WINDOW }).reduce<number>((power) => Math.imul(power, FACTOR), 1)

/** The hash of the window one unit further on. */
function roll (hash: number, out: number, next: number): number {
  return Math.imul(hash, FACTOR) + next - Math.imul(out, LAST_FACTOR) | 0
}
