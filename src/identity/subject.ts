import { familyOf, maskAddress, parseNetwork, readAddress } from './address.js'

/**
 * The subject under which an address is counted: whole for IPv4, the network of `ipv6Prefix` bits for IPv6.
 * @param address in any spelling. @returns undefined when it is no address.
 */
export function addressSubject (address: string, ipv6Prefix: number): string | undefined {
  const canonical = readAddress(address)
  return canonical === undefined ? undefined : subjectOfCanonical(canonical, ipv6Prefix)
}

/** As `addressSubject`, for text that is known to be canonical. */
export function subjectOfCanonical (address: string, ipv6Prefix: number): string {
  if (ipv6Prefix >= 128 || familyOf(address) === 4) return `ip:${address}`
  return `ip:${maskAddress(address, ipv6Prefix)}/${ipv6Prefix}`
}

/**
 * The subject of an address or CIDR as an operator types it: `10.1.2.3/8` → `ip:10.0.0.0/8`,
 * `::ffff:1.2.3.4` → `ip:1.2.3.4`; a single address is not widened to its network.
 * @returns undefined when it is neither.
 */
export function networkSubject (text: string): string | undefined {
  const network = parseNetwork(text)
  if (network === undefined) return undefined
  const whole = network.bits === (network.family === 4 ? 32 : 128)
  return whole ? `ip:${network.base}` : `ip:${network.base}/${network.bits}`
}
