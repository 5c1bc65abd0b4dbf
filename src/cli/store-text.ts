import type { StoreSettings } from '../config/config.js'
import { mongoPlace } from '../config/mongo-uri.js'
import type { RedisSettings } from '../redis-settings.js'
import { durationText } from './duration-text.js'

const NAMES = { standalone: 'redis', cluster: 'redis cluster', sentinel: 'redis sentinel' } as const

/** The store in two words: `memory`, `redis`, `redis cluster`, `redis sentinel`. */
export function storeName ({ redis }: StoreSettings): string {
  return redis === undefined ? 'memory' : NAMES[redis.topology]
}

/** Where state is kept, in a sentence that shows no password. */
export function describeStore (store: StoreSettings, onFailure: string): string {
  const { redis, deadlineMs, mongoUri } = store
  const mongo = mongoUri === undefined ? '' : `; bans also in MongoDB at ${mongoPlace(mongoUri)}`
  if (redis === undefined) return `store: ${storeName(store)}${mongo}`
  const failure = `waits ${durationText(deadlineMs)} at most, then ${onFailure}`
  return `store: ${storeName(store)} at ${describeRedis(redis)}; ${failure}${mongo}`
}

function describeRedis ({ addresses, masterName, database, tls, keyPrefix, username }: RedisSettings): string {
  const hosts = addresses.map(({ host, port }) => host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  return [
    hosts.join(', '),
    ...masterName === undefined ? [] : [`master ${masterName}`],
    ...database === 0 ? [] : [`database ${database}`],
    ...tls ? ['TLS'] : [],
    ...username === undefined ? [] : [`user ${username}`],
    ...keyPrefix === '' ? [] : [`keys begin with ${keyPrefix}`],
  ].join(', ')
}
