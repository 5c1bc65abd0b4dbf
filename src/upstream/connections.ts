import { isIP } from 'node:net'
import { getCACertificates } from 'node:tls'
import { Pool, buildConnector } from 'undici'
import type { UpstreamRules } from '../policy/contract.js'
import { readLastWords } from './last-words.js'
import type { Origin } from './origin.js'

/** Backends may set many cookies; clients read at least this much too. */
const MAX_HEAD_BYTES = 64 * 1024

export interface Connections {
  /** Never closed: a request that outlives `close`, as at a reload, gets a connection all the same. */
  readonly pool: Pool
  /** An own connection, half-open when one side ends, for an upgrade. */
  dial (callback: buildConnector.Callback): void
  /** True when this error ended a connection that had served an answer before: the backend closed it as idle. */
  wasReused (error: Error): boolean
  /** Resolves when the last request under way has ended. */
  close (): Promise<void>
}

/**
 * Ways to the backend: as many connections as there are requests (open streams must not hold up plain requests),
 * one request at a time on each, certificates verified unless the policy says otherwise.
 */
export function createConnections (rules: UpstreamRules, origin: Origin): Connections {
  const options = connectorOptions(rules, origin)
  const connect = buildConnector(options)
  const connectHalfOpen = buildConnector({ ...options, allowHalfOpen: true })
  const address = addressOf(origin)
  const reused = new WeakSet<Error>()
  const open = (): Pool => new Pool(address.origin, {
    pipelining: 1,
    allowH2: false,
    maxHeaderSize: MAX_HEAD_BYTES,
    headersTimeout: rules.responseTimeoutMs,
    bodyTimeout: rules.idleTimeoutMs,
    // undici would take the TLS server name from the client's Host header; the backend's URL decides here.
    connect: (_, callback) => {
      connect(address, (error, socket) => {
        if (error !== null) return callback(error, null)
        readLastWords(socket)
        const before = socket.bytesRead
        socket.on('error', (fault) => { if (socket.bytesRead > before) reused.add(fault) })
        callback(null, socket)
      })
    },
  })
  let pool = open()
  return {
    get pool () {
      if (pool.closed) pool = open()
      return pool
    },
    dial: (callback) => { connectHalfOpen(address, callback) },
    wasReused: (error) => reused.has(error),
    close: () => pool.closed ? Promise.resolve() : pool.close(),
  }
}

function connectorOptions (rules: UpstreamRules, origin: Origin): buildConnector.BuildOptions {
  return {
    allowH2: false,
    timeout: rules.connectTimeoutMs,
    rejectUnauthorized: rules.verify,
    ...(origin.socketPath === undefined ? {} : { socketPath: origin.socketPath }),
    ...(origin.secure && isIP(origin.hostname) === 0 ? { servername: origin.hostname } : {}),
    ...(rules.ca === undefined ? {} : { ca: [...getCACertificates('default'), rules.ca] }),
  }
}

function addressOf (origin: Origin): buildConnector.Options & { origin: string } {
  const protocol = origin.secure ? 'https:' : 'http:'
  return {
    origin: `${protocol}//${origin.authority}`,
    protocol,
    host: origin.authority,
    hostname: origin.hostname,
    port: String(origin.port),
  }
}
