/**
 * The connections to one Redis. What its user must be allowed, with `<prefix>` = REDIS_KEY_PREFIX (Redis 7; `+info` and
 * `+cluster` lines as a whole on 6.2):
 *
 *   ACL SETUSER portcullis on ><password> resetchannels ~<prefix>portcullis:* -@all +@read +@write +@connection
 *     -@dangerous +eval +evalsha +script|load +time +info +cluster|slots +cluster|info
 */
import type { Log } from '../../log.js'
import { createClient, type Manner } from './clients.js'
import type { RedisLink, RedisSettings } from './contract.js'
import { createKeys } from './keys.js'
import { createLastingClient, type LastingClient } from './lasting-client.js'
import { watchPresence } from './presence.js'
import { leaveFor, watchSentinels } from './sentinel-watch.js'

export interface LinkOptions {
  readonly settings: RedisSettings
  readonly log: Log
  /** Whose clock scripts go by: Redis' own, so that instances agree, or the caller's, where tests own the time. */
  readonly time: 'server' | 'caller'
  /** How long a request waits for Redis: a connection that owes an answer much longer is given up. */
  readonly deadlineMs: number
}

/** Begins to connect, and goes on trying for ever: Redis may come later. Never throws. */
export function openRedisLink ({ settings, log, time, deadlineMs }: LinkOptions): RedisLink {
  const opened: LastingClient[] = []
  const open = (manner: Manner) => {
    const lasting = createLastingClient(createClient(settings, manner, deadlineMs))
    opened.push(lasting)
    return lasting.client
  }
  const fast = open('fast')
  const presence = watchPresence(fast, where(settings), log)
  const sentinels = watchSentinels(settings, (master) => {
    for (const { client } of opened) leaveFor(client, master)
  })
  return {
    isCluster: settings.topology === 'cluster',
    fast,
    calm: open('calm'),
    openBlocking: () => open('blocking'),
    key: createKeys(settings.keyPrefix),
    now: time === 'server' ? () => 0 : (instant) => instant,
    get isConnected () { return presence.isConnected },
    onConnection: presence.onChange,
    close: async () => { await Promise.all([sentinels, ...opened].map((one) => one.close())) },
  }
}

function where ({ addresses }: RedisSettings): string {
  return addresses.map(({ host, port }) => host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`).join(', ')
}
