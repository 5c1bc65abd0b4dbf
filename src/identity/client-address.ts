import { LRUCache } from 'lru-cache'
import type { Log } from '../log.js'
import { createAddressMatcher } from './address-matcher.js'
import { isInternal, readAddress } from './address.js'
import type { ClientAddress, ClientRules, IdentityRequest } from './contract.js'
import { originOf, type BelievedRoute } from './client-origin.js'
import { parseForwarded, type ForwardedHop } from './forwarded.js'
import { fieldValues, nearestEntries, textOf } from './head-fields.js'
import { subjectOfCanonical } from './subject.js'

/** Stands for a peer without an address: a unix socket, or one that has already gone. Never trusted by a network's name. */
const NOWHERE = '0.0.0.0'
/** No real chain is longer; what stands further left is not looked at. */
const MAX_HOPS = 32
const ROUTES_KEPT = 10_000
const MAX_KEPT_TEXT = 256
const FORWARDING_HEADERS = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'cf-connecting-ip', 'true-client-ip']

/** Where a request came from, as its peer and its address header tell: what is worth remembering between requests. */
interface Route extends BelievedRoute {
  readonly address: string
  readonly subject: string
}

/** True when the hop at that distance from us is a proxy whose word counts; the peer is at distance 0. */
type Trust = (address: string, distance: number) => boolean

export type ClientReader = (request: IdentityRequest) => ClientAddress

/** Makes the function behind `Identifier.clientOf`. It never throws. */
export function createClientReader (rules: ClientRules, log: Pick<Log, 'info' | 'warn'>): ClientReader {
  const trusts = trustOf(rules.trustedProxies)
  const routeOf = createRouteReader(rules, trusts)
  const warn = warnOnce(log)
  return (request) => {
    const peer = readAddress(request.peer) ?? NOWHERE
    const fromTrustedProxy = trusts(peer, 0)
    const route = routeOf(peer, request, fromTrustedProxy)
    const { address, subject } = route
    const undeclared = !fromTrustedProxy && isUndeclaredProxy(peer, request)
    if (undeclared) warn(address)
    const bannable = !undeclared && address !== NOWHERE
    return { address, subject, bannable, fromTrustedProxy, ...originOf(request, fromTrustedProxy ? route : undefined) }
  }
}

function trustOf (trusted: ClientRules['trustedProxies']): Trust {
  if (typeof trusted === 'number') return (_address, distance) => distance < trusted
  return createAddressMatcher(trusted)
}

/** A peer that forwards for others shows it by a header. On the Internet anybody can send one; in our own network nobody should. */
function isUndeclaredProxy (peer: string, { headers }: IdentityRequest): boolean {
  return FORWARDING_HEADERS.some((name) => headers[name] !== undefined) && isInternal(peer)
}

function warnOnce (log: Pick<Log, 'info' | 'warn'>): (address: string) => void {
  let said = false
  return (peer) => {
    if (said) return
    said = true
    log.warn({ peer }, 'requests come through a proxy that is not among the trusted ones: everybody behind it ' +
      'counts as one address, which is therefore never banned. Set client.trustedProxies or GATEWAY_TRUST_PROXY')
  }
}

function createRouteReader ({ addressHeader, ipv6Prefix }: ClientRules, trusts: Trust) {
  const routes = new LRUCache<string, Route>({ max: ROUTES_KEPT })
  const read = (peer: string, request: IdentityRequest, trusted: boolean): Route => {
    if (!trusted) return { address: peer, subject: subjectOfCanonical(peer, ipv6Prefix), depth: 0, hop: undefined }
    const hops = addressHeader === 'forwarded' ? readForwarded(request) : undefined
    const { address, depth } = walk(peer, entriesOf(request, addressHeader, hops), trusts)
    return { address, subject: subjectOfCanonical(address, ipv6Prefix), depth, hop: hops && summarise(hops, depth) }
  }
  return (peer: string, request: IdentityRequest, trusted: boolean): Route => {
    const text = trusted ? textOf(request.headers, addressHeader) : ''
    if (text.length > MAX_KEPT_TEXT) return read(peer, request, trusted)
    const key = `${peer} ${text}`
    const known = routes.get(key)
    if (known !== undefined) return known
    const route = read(peer, request, trusted)
    routes.set(key, route)
    return route
  }
}

/** What the chain of proxies wrote, nearest first. The other headers hold one address, set at the edge of the chain. */
function entriesOf (request: IdentityRequest, header: string, hops: readonly ForwardedHop[] | undefined): string[] {
  if (hops !== undefined) return hops.map((hop) => hop.for ?? '')
  const text = textOf(request.headers, header)
  return header === 'x-forwarded-for' ? nearestEntries(text, MAX_HOPS) : [text]
}

/** From the nearest hop outwards, as long as the one who wrote an entry is trusted and the entry is an address. */
function walk (peer: string, entries: readonly string[], trusts: Trust): { address: string, depth: number } {
  let address = peer
  let depth = 0
  while (depth < entries.length && trusts(address, depth)) {
    const next = readAddress(entries[depth] as string)
    if (next === undefined) break
    address = next
    depth += 1
  }
  return { address, depth }
}

function readForwarded ({ rawHeaders }: IdentityRequest): ForwardedHop[] {
  return fieldValues(rawHeaders, 'forwarded').flatMap(parseForwarded).reverse().slice(0, MAX_HOPS)
}

/** The outermost believed hop knows best how the client came; what it leaves unsaid, the nearer ones say. */
function summarise (hops: readonly ForwardedHop[], depth: number): ForwardedHop {
  const believed = hops.slice(0, Math.max(1, depth)).reverse()
  const say = (name: keyof ForwardedHop) => believed.find((hop) => hop[name] !== undefined)?.[name]
  return { for: undefined, proto: say('proto'), host: say('host') }
}
