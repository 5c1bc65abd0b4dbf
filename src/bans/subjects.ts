import { userIdOf } from '../identity/contract.js'
import { addressSubject, networkSubject } from '../identity/identity.js'
import { importedIdOf } from './imported.js'

const ADDRESS = 'ip:'

/**
 * The spelling under which a subject's ban is kept: `user:<id>`, `ip:<address>` or `ip:<network>/<prefix>`;
 * undefined for what cannot be banned.
 */
export function canonicalSubject (subject: string): string | undefined {
  const userId = userIdOf(subject)
  if (userId !== undefined) return userId === '' ? undefined : subject
  return subject.startsWith(ADDRESS) ? networkSubject(subject.slice(ADDRESS.length)) : undefined
}

/** As above, for whoever keeps bans: the backend's own have subjects too, which nobody else names. */
export function keptSubject (subject: string): string | undefined {
  const importedId = importedIdOf(subject)
  return importedId === undefined ? canonicalSubject(subject) : importedId === '' ? undefined : subject
}

/**
 * The subject to ban for an address or CIDR as an operator types it. A bare IPv6 address means its network of
 * `ipv6Prefix` bits, as it does for violations, since who holds one address holds the rest; `/128` means just it.
 */
export function banSubject (text: string, ipv6Prefix: number): string | undefined {
  const exact = networkSubject(text)
  return exact === undefined || text.includes('/') ? exact : addressSubject(text, ipv6Prefix)
}

/** Family and prefix length of a canonical `ip:` subject. */
export function shapeOf (subject: string): { readonly family: 4 | 6, readonly bits: number } {
  const text = subject.slice(ADDRESS.length)
  const family = text.includes(':') ? 6 : 4
  const slash = text.indexOf('/')
  return { family, bits: slash === -1 ? (family === 4 ? 32 : 128) : Number(text.slice(slash + 1)) }
}
