import { getCACertificates, type ConnectionOptions } from 'node:tls'
import { Cluster, Redis, type ClusterOptions, type RedisOptions } from 'ioredis'
import type { RedisClient, RedisSettings } from './contract.js'

const CONNECT_TIMEOUT_MS = 2_000
/** How long a connection may owe an answer before it is given up; that of requests, their deadline longer. */
const SILENCE_MS = 2_000
/** The same where commands block on purpose. */
const BLOCKING_SILENCE_MS = 15_000
const RETRY_FIRST_MS = 50
const RETRY_CAP_MS = 2_000
/** Attempts after which a node of a Cluster is forgotten; when all are, the given addresses are looked up anew. */
const NODE_ATTEMPTS = 8
const SLOTS_REFRESH_MS = 3_000
/** A server that answers READONLY was the master once; asking again who is, that often at most. */
const READONLY_PAUSE_MS = 5_000
const COMMON = {
  connectionName: 'portcullis',
  // What scripts return reads the same everywhere, and needs no HELLO.
  protocol: 2,
  connectTimeout: CONNECT_TIMEOUT_MS,
  disconnectTimeout: 200,
  maxLoadingRetryTime: 500,
  keepAlive: 10_000,
  noDelay: true,
} as const
/** What is sent is sent once: it is rejected when the connection breaks. */
const ONCE = { maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false }

/** Without the choice of shapes for replies, which the library's types are made out for. */
type Options = Omit<RedisOptions, 'replyMapping'>

/** What a connection is for: see `RedisLink.fast`, `calm` and `openBlocking`. */
export type Manner = 'fast' | 'calm' | 'blocking'

/**
 * A client that begins to connect. It ends (`end`) where the library gives up: whoever made it connects it again,
 * after `retryDelayMs`. Errors are told as `error` and, of a Cluster's nodes, as `node error`.
 */
export function createClient (settings: RedisSettings, manner: Manner, deadlineMs: number): RedisClient {
  const options = { ...optionsOf(settings), ...mannerOf(manner, deadlineMs) }
  const addresses = settings.addresses.map(({ host, port }) => ({ host, port }))
  if (settings.topology === 'cluster') return new Cluster(addresses, clusterOptions(settings, options, manner))
  if (settings.topology === 'standalone') {
    return new Redis({ ...options, ...addresses[0], db: settings.database, retryStrategy: retryDelayMs })
  }
  return new Redis({
    ...options,
    ...sentinelOptions(settings),
    sentinels: addresses,
    db: settings.database,
    retryStrategy: retryDelayMs,
  })
}

/** How long to wait before the given attempt (from 1): longer each time, never the same for two instances. */
export function retryDelayMs (attempt: number): number {
  const ceiling = Math.min(RETRY_CAP_MS, RETRY_FIRST_MS * 2 ** Math.min(attempt - 1, 10))
  return Math.ceil(ceiling * (0.5 + Math.random() / 2))
}

function optionsOf (settings: RedisSettings): Options {
  const { username, password } = settings
  return {
    ...COMMON,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(settings.tls ? { tls: tlsOf(settings) } : {}),
    reconnectOnError: leaveFormerMaster(),
  }
}

function tlsOf (settings: RedisSettings): ConnectionOptions {
  return settings.ca === undefined ? {} : { ca: [...getCACertificates('default'), settings.ca] }
}

/**
 * A link in haste sends nothing twice and queues nothing. The others wait for a connection while some attempts last;
 * what the calm one was sending when the connection broke it sends again.
 */
function mannerOf (manner: Manner, deadlineMs: number): Options {
  switch (manner) {
    case 'fast': return { ...ONCE, enableOfflineQueue: false, socketTimeout: SILENCE_MS + deadlineMs }
    case 'calm': return { maxRetriesPerRequest: 3, socketTimeout: SILENCE_MS }
    // Who blocks wants to know that the connection broke: something may have been missed.
    case 'blocking': return { ...ONCE, socketTimeout: BLOCKING_SILENCE_MS }
  }
}

function sentinelOptions (settings: RedisSettings): Options {
  const { masterName, sentinelUsername, sentinelPassword } = settings
  return {
    ...(masterName === undefined ? {} : { name: masterName }),
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    ...(settings.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOf(settings) } : {}),
    // After a second round in vain the client ends, which also tells those who wait. The first may have begun at the last.
    sentinelRetryStrategy: (round) => round > 1 ? null : 0,
    sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
  }
}

/** For a client that listens to one sentinel, for as long as it takes. */
export function sentinelClientOptions (settings: RedisSettings): Options {
  const { sentinelUsername, sentinelPassword } = settings
  return {
    ...COMMON,
    ...(sentinelUsername === undefined ? {} : { username: sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { password: sentinelPassword }),
    ...(settings.tls ? { tls: tlsOf(settings) } : {}),
    enableReadyCheck: false,
    maxRetriesPerRequest: null,
    retryStrategy: retryDelayMs,
  }
}

function clusterOptions (settings: RedisSettings, options: Options, manner: Manner) {
  const { enableOfflineQueue: _, reconnectOnError: __, ...redisOptions } = options
  const inHaste = {
    enableOfflineQueue: false,
    maxRedirections: 5,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: 5,
  }
  return {
    redisOptions,
    ...(manner === 'fast' ? inHaste : {}),
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    clusterNodeRetryStrategy: (attempt: number) => attempt > NODE_ATTEMPTS ? null : retryDelayMs(attempt),
    clusterRetryStrategy: () => null,
    // Names must stay names where certificates are made out for them.
    ...(settings.tls ? { dnsLookup: keepName } : {}),
  }
}

const keepName: NonNullable<ClusterOptions['dnsLookup']> = (name, callback) => callback(null, name)

function leaveFormerMaster (): (error: Error) => boolean {
  let leftAt = -Infinity
  return (error) => {
    if (!error.message.startsWith('READONLY') || performance.now() - leftAt < READONLY_PAUSE_MS) return false
    leftAt = performance.now()
    return true
  }
}
