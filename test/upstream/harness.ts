import Fastify from 'fastify'
import { METHODS, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { AnswerObserver } from '../../src/exchange.js'
import type { ClientAddress } from '../../src/identity/contract.js'
import type { UpstreamRules } from '../../src/policy/contract.js'
import type { ForwardOptions, OwnHeaders } from '../../src/upstream/contract.js'
import type { Closing, FrameCheck } from '../../src/upstream/frame-contract.js'
import { createForwarder, outboundRules, prepareOutbound } from '../../src/upstream/upstream.js'
import type { Teardown } from '../helpers/backends.js'

export const FORWARDERS = ['dispatch', 'http-proxy'] as const

export const CLIENT: ClientAddress = {
  address: '203.0.113.7', subject: 'ip:203.0.113.7', bannable: true, fromTrustedProxy: false, proto: 'http', host: 'chat.example',
}

/** What one observer was told. */
export interface Seen { head: [number, IncomingHttpHeaders][], data: Buffer[], ends: string[] }

export interface Harness {
  readonly port: number
  readonly faults: string[]
  /** One per request, in order. */
  readonly seen: Seen[]
  readonly reports: object[]
  /** Of each inspected WebSocket that the backend agreed to: what ends it. */
  readonly ends: ((closing: Closing) => void)[]
  /** What judges threw. */
  readonly defects: unknown[]
}

export interface HarnessOptions {
  readonly rules?: Partial<UpstreamRules>
  readonly own?: OwnHeaders
  /** True: observers ask for the body. */
  readonly body?: boolean
  readonly observers?: readonly AnswerObserver[]
  /** Read the body first, as a body check does. */
  readonly inspect?: boolean
  /** Looks at each message of WebSockets. */
  readonly check?: FrameCheck
  /** Of one such message. */
  readonly maxBytes?: number
  readonly deadlineMs?: number
}

export function upstreamRules (url: string, rules: Partial<UpstreamRules> = {}): UpstreamRules {
  return {
    url,
    host: 'preserve',
    forwarder: 'dispatch',
    connectTimeoutMs: 2_000,
    responseTimeoutMs: 0,
    idleTimeoutMs: 0,
    ca: undefined,
    verify: true,
    ...rules,
  }
}

/** The least of a gateway: what the forwarder is called from, and nothing else. */
export async function startHarness (t: Teardown, url: string, options: HarnessOptions = {}): Promise<Harness> {
  const reports: object[] = []
  const faults: string[] = []
  const seen: Seen[] = []
  const ends: ((closing: Closing) => void)[] = []
  const defects: unknown[] = []
  const { check, maxBytes = 1024 * 1024, deadlineMs } = options
  const rules = upstreamRules(url, options.rules)
  const headerRules = outboundRules(rules, 'drop')
  const forwarder = createForwarder(rules, { log: { error: (details) => { reports.push(details) } } })
  const app = Fastify({ exposeHeadRoutes: false, forceCloseConnections: true, rewriteUrl: () => '/' })
  const jobOf = (request: IncomingMessage, target: string, body?: Buffer): Omit<ForwardOptions, 'onFault'> => {
    const [path = '/', ...query] = target.split('?')
    const one: Seen = { head: [], data: [], ends: [] }
    seen.push(one)
    return {
      outbound: prepareOutbound({
        method: request.method ?? 'GET',
        target: { raw: target, path, query: query.join('?'), authority: undefined },
        rawHeaders: request.rawHeaders,
        client: CLIENT,
        requestId: 'req-1',
        body,
        rules: headerRules,
      }),
      ownHeaders: options.own ?? [],
      observers: [...(options.observers ?? []), watcher(one, options.body === true)],
    }
  }
  const targets = new WeakMap<object, string>()
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !app.supportedMethods.includes(method)) app.addHttpMethod(method)
  }
  app.server.prependListener('request', (request) => { targets.set(request, request.url ?? '/') })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_, __, done) => { done(null) })
  app.addHook('onRequest', async (request, reply) => {
    const raw = request.raw
    const body = options.inspect === true ? Buffer.concat(await raw.toArray() as Buffer[]) : undefined
    reply.hijack()
    forwarder.forward(raw, reply.raw, {
      ...jobOf(raw, targets.get(raw) ?? '/', body),
      onFault (fault) {
        faults.push(fault)
        reply.raw.writeHead(fault === 'UPSTREAM_TIMEOUT' ? 504 : 502, { 'x-fault': fault }).end(fault)
      },
    })
  })
  app.all('/', () => 'never')
  app.server.on('upgrade', (request, socket, head) => {
    forwarder.upgrade(request, socket, head, {
      ...jobOf(request, request.url ?? '/'),
      inspection: check && {
        maxBytes, check, onOpen: (end) => { ends.push(end) }, onDefect: (error) => { defects.push(error) },
        ...deadlineMs !== undefined && { deadlineMs },
      },
      onFault (fault) {
        faults.push(fault)
        socket.end(`HTTP/1.1 502 Bad Gateway\r\nx-fault: ${fault}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
      },
    })
  })
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => { sockets.add(socket) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await app.close()
    await forwarder.close()
  })
  return { port: (app.server.address() as AddressInfo).port, faults, seen, reports, ends, defects }
}

function watcher (seen: Seen, body: boolean): AnswerObserver {
  return {
    onHead (status, headers) { seen.head.push([status, headers]); return { body } },
    onData (chunk) { seen.data.push(Buffer.from(chunk)) },
    onEnd (outcome) { seen.ends.push(outcome) },
  }
}
