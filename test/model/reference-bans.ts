/** Bans, from the contract: who is banned until when, and because of whom. */
import type { Booking } from '../../src/verdict/verdict.js'
import type { Breach } from '../../src/violations/contract.js'
import { BAN_MS, SHARED_BY, SHARED_WITHIN_MS, type Bans, type Caller } from './deeds.js'

const DAY = 24 * 3_600_000
/** Being seen again so soon is not noted. */
const NEWS_AFTER_MS = 60_000

interface NaiveBan {
  readonly expiresAt: number | null
  readonly isOperators: boolean
  /** Users whose violations banned this address. */
  readonly causes: readonly string[]
}

/** That a user was seen, or banned, on an address. */
interface Sighting { readonly ip: string, readonly user: string, readonly at: number }

export interface NaiveBans {
  /** The subject whose ban turns the caller away. */
  find (caller: Caller, now: number): string | undefined
  /** A request that no ban turned away. */
  see (caller: Caller, now: number): void
  /** A violation has crossed. */
  follow (crossing: { readonly caller: Caller, readonly breach: Breach, readonly booking: Booking }, now: number): void
  placeByOperator (subject: string, expiresAt: number | null, now: number): void
  /** All that were lifted. */
  lift (subject: string, linked: boolean, now: number): readonly string[]
  inForce (now: number): Bans
}

export function createNaiveBans (isClean: (user: string, since: number) => boolean): NaiveBans {
  const bans = new Map<string, NaiveBan>()
  const seen: Sighting[] = []
  const banned: Sighting[] = []

  function get (subject: string, now: number): NaiveBan | undefined {
    const ban = bans.get(subject)
    return ban !== undefined && (ban.expiresAt === null || now < ban.expiresAt) ? ban : undefined
  }

  /** The later end stays. */
  function place (subject: string, added: NaiveBan, now: number): void {
    const standing = get(subject, now)
    bans.set(subject, standing === undefined
      ? added
      : {
          expiresAt: later(standing.expiresAt, added.expiresAt),
          isOperators: standing.isOperators || added.isOperators,
          causes: [...standing.causes, ...added.causes],
        })
  }

  function isSpared (ip: string, user: string | undefined, at: number): boolean {
    const on = (sightings: readonly Sighting[]) =>
      new Set(sightings.filter((one) => one.ip === ip && one.at >= at - SHARED_WITHIN_MS).map((one) => one.user))
    const bystanders = [...on(seen)].filter((other) => other !== user && isClean(other, at - DAY))
    return on(banned).size < 2 && bystanders.length > SHARED_BY
  }

  return {
    find ({ user, ip }, now) {
      const subjects = user === undefined ? [ip] : [`user:${user}`, ip]
      return subjects.find((subject) => get(subject, now) !== undefined)
    },
    see ({ user: id, ip }, now) {
      if (id === undefined) return
      const user = `user:${id}`
      const isKnown = seen.some((one) => one.ip === ip && one.user === user && now - one.at < NEWS_AFTER_MS)
      if (!isKnown) seen.push({ ip, user, at: now })
    },
    follow ({ caller: { ip }, breach, booking: { at } }, now) {
      const user = breach.subject.startsWith('user:') ? breach.subject : undefined
      if (user !== undefined) banned.push({ ip, user, at })
      const ban = { expiresAt: at + BAN_MS, isOperators: false }
      if (user !== undefined) place(user, { ...ban, causes: [] }, now)
      if (!isSpared(ip, user, at)) place(ip, { ...ban, causes: user === undefined ? [] : [user] }, now)
    },
    placeByOperator: (subject, expiresAt, now) => place(subject, { expiresAt, isOperators: true, causes: [] }, now),
    lift (subject, linked, now) {
      if (get(subject, now) === undefined) return []
      bans.delete(subject)
      const lifted = [subject]
      for (const [address, ban] of bans) {
        if (!ban.causes.includes(subject) || get(address, now) === undefined) continue
        const causes = ban.causes.filter((cause) => cause !== subject)
        bans.set(address, { ...ban, causes })
        const isHeld = ban.isOperators || causes.some((cause) => get(cause, now) !== undefined)
        if (linked && !isHeld && bans.delete(address)) lifted.push(address)
      }
      return lifted
    },
    inForce: (now) => Object.fromEntries([...bans.keys()].flatMap((subject) => {
      const ban = get(subject, now)
      return ban === undefined ? [] : [[subject, ban.expiresAt]]
    })),
  }
}

function later (one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : Math.max(one, other)
}
