import { randomUUID } from 'node:crypto'
import type { RedisLink, RedisSettings } from '../../src/stores/redis/contract.js'
import { openRedisLink } from '../../src/stores/redis/link.js'
import { until, type Teardown } from './backends.js'
import { testLog } from './product.js'

const CONNECT_MS = 5_000

export interface TestLinkOptions {
  /** Whose clock scripts go by; `caller` when absent, so that the test owns the time. */
  readonly time?: 'caller' | 'server'
  /** A random one when absent: tests that share a server do not meet. */
  readonly prefix?: string
  /** 100 ms when absent. */
  readonly deadlineMs?: number
  readonly log?: ReturnType<typeof testLog>
  /** Over what the URL says. */
  readonly settings?: Partial<RedisSettings>
  /** False: does not wait for the connection. */
  readonly connected?: boolean
}

/** A link to a server of the tests, by the URL that its helper gives; up when this resolves, closed with the test. */
export async function openLink (t: Teardown, url: string, options: TestLinkOptions = {}): Promise<RedisLink> {
  const { time = 'caller', prefix = `${randomUUID()}:`, deadlineMs = 100, log = testLog(), connected = true } = options
  const settings = { ...redisSettings(url), keyPrefix: prefix, ...options.settings }
  const link = openRedisLink({ settings, log, time, deadlineMs })
  t.teardown(() => link.close())
  if (connected && !await until(() => isUp(link), CONNECT_MS)) {
    throw new Error(`No connection to ${url}: ${JSON.stringify(log.lines)}`)
  }
  return link
}

/** Settings for the URLs of these helpers: `redis[s]://…` (several: a Cluster), `redis[s]+sentinel://…/<master>`. */
export function redisSettings (url: string): RedisSettings {
  const urls = url.split(',').map((one) => new URL(one))
  const [first] = urls
  if (first === undefined) throw new Error('No URL.')
  const isSentinel = first.protocol.includes('+sentinel')
  return {
    topology: urls.length > 1 ? 'cluster' : isSentinel ? 'sentinel' : 'standalone',
    addresses: urls.map(({ hostname, port }) => ({ host: hostname, port: Number(port) })),
    masterName: isSentinel ? first.pathname.slice(1) : undefined,
    database: 0,
    username: first.username === '' ? undefined : decodeURIComponent(first.username),
    password: first.password === '' ? undefined : decodeURIComponent(first.password),
    sentinelUsername: undefined,
    sentinelPassword: undefined,
    tls: first.protocol.startsWith('rediss'),
    ca: undefined,
    keyPrefix: '',
  }
}

function isUp (link: RedisLink): boolean {
  const { fast } = link
  return link.isConnected && (!('nodes' in fast) || fast.nodes('master').every(({ status }) => status === 'ready'))
}
