import type { Identity, IdentityRequest } from './contract.js'
import { fieldValues } from './head-fields.js'
import { guestUserId } from './user-id.js'

/** As every app writes it. What only some backends take for a token, others take for none, and serve a guest. */
const BEARER = /^Bearer [^\s,]/
const ADDRESS = 'ip:'

/**
 * Whoever is nobody becomes the guest of his address (reference librechat.md §6, HANZO guest: no or an empty bearer).
 * A bearer that names nobody is no guest's: the backend answers it 401, and a member whose token cannot be verified
 * just now must not use up what is meant for guests. Nor is there a guest of an address that must not be banned: all
 * who come through an unknown proxy would be one.
 */
export function asGuest (identity: Identity): Identity {
  const { client, users, ambiguous, unverified } = identity
  if (ambiguous === true || unverified === true || users.length > 0 || !client.bannable) return identity
  const guest = { id: guestUserId(client.subject.slice(ADDRESS.length)), guest: true } as const
  return { ...identity, user: guest, users: [guest] }
}

/** Whether every backend finds a bearer token in the request, whatever it is worth. */
export function bringsBearer ({ headers, rawHeaders }: IdentityRequest): boolean {
  return headers['authorization'] !== undefined && fieldValues(rawHeaders, 'authorization').every((value) => BEARER.test(value))
}
