/**
 * How the chat app keeps its own bans in `logs` (reference librechat.md §3.3): `{key: "BANS:<user id or address>",
 * value: "{\"value\":{type, violation_count, duration, expiresAt},\"expires\":…}", expiresAt: Date}`. Pure.
 */
import { hash } from 'node:crypto'
import { ObjectId, type Document } from 'mongodb'
import { importedSubject } from '../../bans/bans.js'
import type { Ban } from '../../bans/contract.js'
import { networkSubject, readAddress } from '../../identity/identity.js'
import { readUserId } from '../../identity/user-id.js'

/** The keys of the app's bans: neither those of its ban cache (`ban:…`) nor ours. */
export const BACKEND_KEYS = { $gte: 'BANS:', $lt: 'BANS;' } as const

const PREFIX = 'BANS:'
/** Whoever writes more does not write a ban. */
const MAX_VALUE_LENGTH = 8192
/** The app writes so where it knew no id. */
const NOBODY: readonly string[] = ['undefined', 'null']
const TYPE = /^[\w.-]{1,64}$/
const UNKNOWN_TYPE = 'ban'
/** What JavaScript can still make a date of. */
const LATEST = 8.64e15

export function rowKeyOf (userId: string): string {
  return PREFIX + userId
}

/**
 * The ban that a row of the app means; undefined: none that is ours to take over, such as one of an address (it would
 * hit a whole office), one that has run out, or what is no ban. Of several ends the first one counts, as in the app. A
 * row without an end that can be read bans, as in the app, for as long as it is there.
 */
export function readBackendRow (row: Document, now: number): Ban | undefined {
  const userId = userIdIn(row['key'])
  const envelope = envelopeIn(row['value'])
  if (userId === undefined || envelope === undefined) return undefined
  const record = isObject(envelope['value']) ? envelope['value'] : {}
  // A row of an address names the user whose violation it was.
  if (![undefined, null, userId].some((own) => record['user_id'] === own)) return undefined
  const ends = [record['expiresAt'], envelope['expires'], row['expiresAt']].map(instantIn)
  const end = Math.min(...ends.filter((instant) => instant !== undefined))
  if (end <= now) return undefined
  const expiresAt = end === Infinity ? null : end
  const { type, violation_count: count, duration } = record
  return {
    subject: importedSubject(userId),
    violation: typeof type === 'string' && TYPE.test(type) ? type : UNKNOWN_TYPE,
    score: typeof count === 'number' && Number.isFinite(count) ? count : 0,
    createdAt: beginning({ end: instantIn(record['expiresAt']), duration, now }),
    expiresAt,
    source: 'backend',
    linked: [],
    row: fingerprintOf(row),
  }
}

function userIdIn (key: unknown): string | undefined {
  if (typeof key !== 'string' || !key.startsWith(PREFIX)) return undefined
  const id = key.slice(PREFIX.length)
  if (NOBODY.includes(id) || readAddress(id) !== undefined || networkSubject(id) !== undefined) return undefined
  return readUserId(id)
}

/** What the app's store wraps around a value; undefined also where it wraps nothing. */
function envelopeIn (value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'string' || value.length > MAX_VALUE_LENGTH) return undefined
  try {
    const parsed: unknown = JSON.parse(value)
    return isObject(parsed) && Boolean(parsed['value']) ? parsed : undefined
  } catch {
    return undefined
  }
}

function instantIn (value: unknown): number | undefined {
  const instant = value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : value
  return typeof instant === 'number' && instant > 0 && instant <= LATEST ? instant : undefined
}

interface Span { readonly end: number | undefined, readonly duration: unknown, readonly now: number }

function beginning ({ end, duration, now }: Span): number {
  if (end === undefined || typeof duration !== 'number' || !(duration > 0)) return now
  return Math.min(now, Math.max(1, end - duration))
}

/** Another one for whatever is written differently, or anew. */
function fingerprintOf ({ _id, value, expiresAt }: Document): string {
  const id: unknown = _id instanceof ObjectId ? _id.toHexString() : _id
  return hash('sha256', JSON.stringify([id, value, expiresAt]), 'base64url').slice(0, 22)
}

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
