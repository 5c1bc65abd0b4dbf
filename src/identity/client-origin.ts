import type { ClientAddress, IdentityRequest } from './contract.js'
import type { ForwardedHop } from './forwarded.js'
import { nearestEntries, textOf } from './head-fields.js'

const MAX_HOPS = 32
const HOST = /^[\w.:[\]-]{1,255}$/

/** How far the chain of proxies is believed. */
export interface BelievedRoute {
  /** How many entries of the address header were believed. */
  readonly depth: number
  /** `Forwarded` only: what the believed hops say of the scheme and host. */
  readonly hop: ForwardedHop | undefined
}

/** Scheme and host as the client used them. @param route undefined: only the request's own word counts. */
export function originOf (request: IdentityRequest, route: BelievedRoute | undefined): Pick<ClientAddress, 'proto' | 'host'> {
  const own = request.headers.host
  const ownHost = Array.isArray(own) ? own[0] : own
  const ownProto = request.encrypted ? 'https' : 'http'
  if (route === undefined) return { proto: ownProto, host: ownHost }
  const said = route.hop ?? {
    proto: entryAt(textOf(request.headers, 'x-forwarded-proto'), route.depth),
    host: entryAt(textOf(request.headers, 'x-forwarded-host'), route.depth),
  }
  const proto = said.proto?.toLowerCase()
  return {
    proto: proto === 'http' || proto === 'https' ? proto : ownProto,
    host: said.host !== undefined && HOST.test(said.host) ? said.host : ownHost,
  }
}

/** The entry that the hop at this depth wrote; proxies that replace the header leave only one. */
function entryAt (text: string, depth: number): string | undefined {
  if (!text.includes(',')) return text === '' ? undefined : text.trim()
  const entries = nearestEntries(text, MAX_HOPS)
  return entries[Math.min(Math.max(depth, 1), entries.length) - 1]
}
