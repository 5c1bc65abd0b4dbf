import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/** IPv4 within IPv6 (`::ffff:a.b.c.d`) starts behind so many bits. */
const MAPPED_BITS = 96
/** Longest spelling that is looked at: a bracketed IPv6 address with zone and port. */
const MAX_TEXT = 100

/** A block of addresses. A single address is a block of its whole length. */
export interface Network {
  /** Canonical text of the first address: host bits are cleared. */
  readonly base: string
  readonly bits: number
  readonly family: 4 | 6
}

/** An address in numbers: four octets, or eight words of 16 bits. Empty: it is none. */
export type AddressParts = readonly number[]

type Parsed = ipaddr.IPv4 | ipaddr.IPv6

/**
 * An address as clients and proxies write it, in canonical text: port, brackets and zone cut off,
 * `::ffff:1.2.3.4` unmapped in any spelling, RFC 5952 for IPv6.
 * @returns undefined for whatever is not an address; the octal, hexadecimal and short forms of IPv4 are none.
 */
export function readAddress (text: string): string | undefined {
  if (text.length > MAX_TEXT) return undefined
  const bare = stripPort(text.trim())
  if (isIPv4(bare)) return bare
  // As a dual-stack listener names its IPv4 peers: on the path of every request.
  if (bare.startsWith('::ffff:') && isIPv4(bare.slice(7))) return bare.slice(7)
  return isIPv6(bare) ? canonical(parse(bare)) : undefined
}

/** @param address canonical text. @returns canonical text of the network's first address. */
export function maskAddress (address: string, bits: number): string {
  return canonical(masked(parse(address), bits))
}

/** For who holds one address against many networks. */
export function addressParts (text: string): AddressParts {
  const address = readAddress(text)
  if (address === undefined) return []
  const parsed = parse(address)
  return parsed instanceof ipaddr.IPv6 ? parsed.parts : parsed.octets
}

/** For who holds one network against many addresses: a few comparisons for each. */
export function networkTest ({ base, bits, family }: Network): (parts: AddressParts) => boolean {
  const start = addressParts(base)
  const width = family === 4 ? 8 : 16
  const whole = Math.floor(bits / width)
  const shift = width - bits % width
  return (parts) => {
    if (parts.length !== start.length) return false
    for (let i = 0; i < whole; i++) if (parts[i] !== start[i]) return false
    return shift === width || (parts[whole] as number) >> shift === (start[whole] as number) >> shift
  }
}

export function familyOf (address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

/** @param address canonical text. True where only a proxy or a neighbour can be: never an address of the open Internet. */
export function isInternal (address: string): boolean {
  const range: string = parse(address).range()
  return range === 'private' || range === 'loopback' || range === 'linkLocal' || range === 'uniqueLocal' ||
    range === 'carrierGradeNat'
}

/**
 * An address or CIDR as an operator types it, host bits cleared and `::ffff:` unmapped.
 * @returns undefined when it is neither.
 */
export function parseNetwork (text: string): Network | undefined {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text.trim() : text.slice(0, slash).trim()
  if (!isIPv4(address) && !isIPv6(address)) return undefined
  const parsed = ipaddr.parse(address)
  const width = parsed.kind() === 'ipv4' ? 32 : 128
  const bits = slash < 0 ? width : readBits(text.slice(slash + 1).trim(), width)
  return bits === undefined ? undefined : networkOf(parsed, bits)
}

function networkOf (parsed: Parsed, bits: number): Network {
  if (parsed instanceof ipaddr.IPv6) {
    if (isMapped(parsed) && bits >= MAPPED_BITS) return networkOf(parsed.toIPv4Address(), bits - MAPPED_BITS)
    return { base: masked(parsed, bits).toRFC5952String(), bits, family: 6 }
  }
  return { base: masked(parsed, bits).toString(), bits, family: 4 }
}

function readBits (text: string, width: number): number | undefined {
  if (!/^\d{1,3}$/.test(text)) return undefined
  const bits = Number(text)
  return bits <= width ? bits : undefined
}

/** `1.2.3.4:5555`, `[2001:db8::1]:443` and `[2001:db8::1]` without their trimmings; anything else as it is. */
function stripPort (text: string): string {
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    return end > 0 && isPort(text.slice(end + 1)) && text.includes(':') ? text.slice(1, end) : ''
  }
  const colon = text.indexOf(':')
  if (colon < 0 || !text.includes('.') || colon !== text.lastIndexOf(':')) return text
  return isPort(text.slice(colon)) ? text.slice(0, colon) : ''
}

function isPort (text: string): boolean {
  return text === '' || /^:\d{1,5}$/.test(text)
}

/** Validated text in, so that it does not throw. */
function parse (text: string): Parsed {
  const zone = text.indexOf('%')
  const parsed = ipaddr.parse(zone < 0 ? text : text.slice(0, zone))
  return parsed instanceof ipaddr.IPv6 && isMapped(parsed) ? parsed.toIPv4Address() : parsed
}

/** The library's own test looks at the range's name, which costs a walk through all ranges. */
function isMapped ({ parts }: ipaddr.IPv6): boolean {
  return parts[5] === 0xffff && parts.slice(0, 5).every((part) => part === 0)
}

function canonical (parsed: Parsed): string {
  return parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : parsed.toString()
}

function masked<T extends Parsed> (parsed: T, bits: number): T
function masked (parsed: Parsed, bits: number): Parsed {
  if (parsed instanceof ipaddr.IPv6) return new ipaddr.IPv6(clearTail(parsed.parts, 16, bits))
  return new ipaddr.IPv4(clearTail(parsed.octets, 8, bits))
}

/** Keeps the first `bits` of numbers that hold `width` bits each. */
function clearTail (parts: readonly number[], width: number, bits: number): number[] {
  return parts.map((part, index) => {
    const cleared = width - Math.min(width, Math.max(0, bits - index * width))
    return (part >> cleared) << cleared
  })
}
