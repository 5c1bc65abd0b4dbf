import type { Identity, IdentityRequest } from './contract.js'
import { readPlace, type HeadPlace } from './places.js'
import { guestUserId } from './user-id.js'

const BEARER: HeadPlace = { in: 'header', name: 'authorization', scheme: 'bearer' }
const ADDRESS = 'ip:'

/**
 * Whoever is nobody becomes the guest of his address (reference librechat.md §6, HANZO guest: no or an empty bearer).
 * A bearer that names nobody is no guest's: the backend answers it 401, and a member whose token cannot be verified
 * just now must not use up what is meant for guests. Nor is there a guest of an address that must not be banned: all
 * who come through an unknown proxy would be one.
 */
export function asGuest (request: IdentityRequest, identity: Identity): Identity {
  const { client, users, ambiguous } = identity
  if (ambiguous === true || users.length > 0 || !client.bannable) return identity
  if (readPlace(BEARER, request).length > 0) return identity
  const guest = { id: guestUserId(client.subject.slice(ADDRESS.length)), guest: true } as const
  return { ...identity, user: guest, users: [guest] }
}
