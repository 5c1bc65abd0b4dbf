/** What was rewritten, so that it stays so when clients send it again with what was said before. */
import { createHmac, randomBytes, randomInt } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import { subjectOf, violationSubject, type Identity } from '../identity/contract.js'
import type { DoormanRules } from './contract.js'
import { createFinder, MOST_PARTS, type Finder, type Part, type Rewriting } from './finder.js'

const SECRET_BYTES = 32
const MOST_SUBJECTS = 5_000
const MOST_OF_ONE = 200
/** The prompt itself, long ones in pieces, and copies of it. */
const MOST_AT_ONCE = 64
/** UTF-16 units of marks and replacements, of one subject and of all. */
const MOST_UNITS_OF_ONE = 1024 * 1024
const MOST_UNITS = 32 * MOST_UNITS_OF_ONE
/** What the rest of an entry weighs. */
const ENTRY_UNITS = 200
const MARK_UNITS = 100
const FNV_PRIME = 0x01000193

export interface Rewrote {
  readonly rules: DoormanRules
  /** Name of the category that it was for. */
  readonly category: string
  /** What stands there now. */
  readonly replacement: string
  /** Texts that stood together, as they were written. */
  readonly replaced: readonly (readonly string[])[]
}

/**
 * Holds no original: each is known by an HMAC under a secret of this process. Kept by group and user, else by address; in
 * this process only.
 */
export interface Rewritings {
  keep (identity: Identity, rewrote: Rewrote): void
  /** The same words were taken for harmless since: the last judgement holds. */
  forget (rewriting: Rewriting): void
  /** Finds in texts what was rewritten of this subject, as long as these rules would; undefined: nothing was. */
  finderFor (identity: Identity, rules: DoormanRules): Finder | undefined
}

type Shelf = readonly Rewriting[]

export function createRewritings (clock: Clock): Rewritings {
  const secret = randomBytes(SECRET_BYTES)
  const markOf = (text: string): string => createHmac('sha256', secret).update(text).digest('base64')
  const likenessOf = createLikeness(randomInt(2 ** 32))
  const partOf = (text: string): Part => ({ length: text.length, likeness: likenessOf(text), mark: markOf(text) })
  const shelves = new LRUCache<string, Shelf>({ max: MOST_SUBJECTS, maxSize: MOST_UNITS, sizeCalculation: unitsOf })
  const liveOf = (subject: string): Shelf => shelves.get(subject)?.filter(({ until }) => clock() < until) ?? []
  return {
    keep (identity, { rules: { rewrite }, category, replacement, replaced }) {
      if (rewrite.rememberMs === 0) return
      const until = clock() + rewrite.rememberMs
      const added = piecesOf(replaced).map((texts): Rewriting => {
        const parts = texts.map(partOf)
        return { parts, replacement, category, fingerprint: rewrite.fingerprint, until }
      })
      for (const subject of ownersOf(identity)) shelves.set(subject, bounded([...added, ...liveOf(subject)]))
    },
    forget (rewriting) { rewriting.until = 0 },
    finderFor (identity, { rewrite, categories }) {
      const subjects = new Set([...ownersOf(identity), identity.client.subject])
      const known = [...new Set([...subjects].flatMap(liveOf))].filter((one) =>
        one.fingerprint === rewrite.fingerprint && categories.get(one.category)?.action === 'rewrite')
      if (known.length === 0) return undefined
      return createFinder(known, {
        likenessOf,
        markOf,
        // A conversation that goes on is not forgotten in the middle.
        onFound: (one) => { one.until = clock() + rewrite.rememberMs },
      })
    },
  }
}

/** FNV-1a from a start of this process's own: most texts are told apart without an HMAC, which takes far longer. */
function createLikeness (start: number): (text: string) => number {
  return (text) => {
    let likeness = start
    for (let i = 0; i < text.length; i++) likeness = Math.imul(likeness ^ text.charCodeAt(i), FNV_PRIME)
    return likeness
  }
}

/** In a group others answer what somebody said. Until a credential is known, there is an address alone. */
function ownersOf (identity: Identity): string[] {
  const group = subjectOf('group', identity)
  const user = subjectOf('user', identity)
  if (group === undefined) return [violationSubject(identity)]
  return user === undefined ? [group] : [group, user]
}

/** Each once, without the white space around them. */
function piecesOf (replaced: readonly (readonly string[])[]): string[][] {
  const pieces = new Map<string, string[]>()
  for (const texts of replaced) {
    for (let i = 0; i < texts.length && pieces.size < MOST_AT_ONCE; i += MOST_PARTS) {
      const piece = texts.slice(i, i + MOST_PARTS).map((text) => text.trim())
      if (piece.some((text) => text !== '')) pieces.set(JSON.stringify(piece), piece)
    }
  }
  return [...pieces.values()]
}

/** The latest, each once. */
function bounded (shelf: Shelf): Shelf {
  const kept = new Map<string, Rewriting>()
  let units = 0
  for (const one of shelf) {
    const name = `${one.fingerprint} ${one.parts.map(({ mark }) => mark).join(' ')}`
    if (kept.has(name)) continue
    units += unitsOfOne(one)
    if (kept.size === MOST_OF_ONE || units > MOST_UNITS_OF_ONE) break
    kept.set(name, one)
  }
  return [...kept.values()]
}

function unitsOf (shelf: Shelf): number {
  return shelf.reduce((sum, one) => sum + unitsOfOne(one), 1)
}

function unitsOfOne ({ parts, replacement }: Rewriting): number {
  return ENTRY_UNITS + replacement.length + parts.length * MARK_UNITS
}
