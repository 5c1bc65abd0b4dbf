import type { Cluster } from 'ioredis'
import type { RedisClient } from './contract.js'

/** Tells the library's two kinds of client apart. */
export function isCluster (client: RedisClient): client is Cluster {
  return client.isCluster
}
