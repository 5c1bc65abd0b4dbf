import { hash } from 'node:crypto'
import type { VerifiedUser } from './contract.js'

const MAX_ID = 256
const MAX_EMAIL = 320
/** Ids of API keys begin so. No other credential may name such an id, so that a token cannot pose as a key's holder. */
const KEY_PREFIX = 'key:'
const GUEST_PREFIX = 'guest_'
const GUEST_DIGITS = 32
const GUEST = new RegExp(`^${GUEST_PREFIX}[0-9a-f]{${GUEST_DIGITS}}$`)

/**
 * The user's id as a verified credential says it, unchanged.
 * @returns undefined for whatever cannot be told apart safely: anything but a non-empty string or a safe
 * integer, more than 256 characters, control characters, broken Unicode (stores would fold it together
 * with other ids), and ids of our own name spaces (`key:…`, `guest_<hash>`).
 */
export function readUserId (value: unknown): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  if (typeof value !== 'string' || value === '' || value.length > MAX_ID) return undefined
  if (value.startsWith(KEY_PREFIX) || GUEST.test(value) || hasControl(value) || !value.isWellFormed()) return undefined
  return value
}

/** Lower case; undefined for whatever is no text or too long for an address. */
export function readEmail (value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > MAX_EMAIL) return undefined
  return hasControl(value) || !value.isWellFormed() ? undefined : value.toLowerCase()
}

/** The id of whoever holds an API key: the key itself is kept nowhere. */
export function keyUserId (key: string): string {
  return KEY_PREFIX + hash('sha256', key, 'hex')
}

/**
 * Whether this user would stand out among those who share his address. Guests are their address; keys are programs', and
 * one person may have any number of them.
 */
export function isPerson ({ id, guest }: VerifiedUser): boolean {
  return guest !== true && !id.startsWith(KEY_PREFIX)
}

/** The id of whoever comes from an address without a credential (reference librechat.md §6, HANZO guest). */
export function guestUserId (address: string): string {
  return GUEST_PREFIX + hash('sha256', address, 'hex').slice(0, GUEST_DIGITS)
}

function hasControl (text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}
