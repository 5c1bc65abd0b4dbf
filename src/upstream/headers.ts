import type { OwnHeaders } from './contract.js'

/**
 * Fields that speak of one connection only (RFC 9110 §7.6.1) and end at us, both ways. `Proxy` is no
 * field at all but the door to "httpoxy". `Trailer` and `TE` are decided where they are met.
 */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authentication-info',
  'proxy-authorization', 'proxy', 'transfer-encoding', 'upgrade', 'http2-settings', 'te',
])

/** Trailer fields must not frame, route or authenticate what has already been sent (RFC 9110 §6.5.1). */
const NEVER_TRAILERS: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP, 'content-length', 'content-encoding', 'content-type', 'content-range', 'host', 'trailer',
  'authorization', 'set-cookie', 'cache-control',
])

/** Names that `Connection` lists, lower case; undefined for the ordinary values, which name no field. */
export function connectionNames (value: string | undefined): ReadonlySet<string> | undefined {
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined
  // A field that came several times is an array, whatever the type says.
  return new Set(String(value).toLowerCase().split(',').map((name) => name.trim()))
}

export interface HeadContext {
  /** The answer's `Connection` value. */
  readonly connection: string | undefined
  readonly own: OwnHeaders
  /** A length that must not be sent: with 204, or beside a transfer coding. */
  readonly dropLength: boolean
  /** Trailers will follow, so their announcement may stay. */
  readonly keepTrailer: boolean
}

/** Flat name/value list for the client: the backend's end-to-end fields in their order and case, then ours. */
export function answerHeaders (raw: readonly string[], context: HeadContext): string[] {
  const named = connectionNames(context.connection)
  const head: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || replaces(context.own, lower) || named?.has(lower) === true) continue
    if (lower === 'content-length' && context.dropLength) continue
    if (lower === 'trailer' && !context.keepTrailer) continue
    head.push(name, raw[i + 1] ?? '')
  }
  for (const [name, value] of context.own) head.push(name, value)
  return head
}

/** Pairs for `addTrailers`, without what may not come that late. */
export function answerTrailers (raw: readonly string[], own: OwnHeaders): [string, string][] {
  const trailers: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const lower = name.toLowerCase()
    if (!NEVER_TRAILERS.has(lower) && !replaces(own, lower)) trailers.push([name, raw[i + 1] ?? ''])
  }
  return trailers
}

/** undici hands the raw head over as Buffers; fields are Latin-1 on the wire. */
export function rawStrings (raw: unknown): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part: unknown) => Buffer.isBuffer(part) ? part.toString('latin1') : String(part))
}

function replaces (own: OwnHeaders, lower: string): boolean {
  for (const [name] of own) {
    if (name.length === lower.length && name.toLowerCase() === lower) return true
  }
  return false
}
