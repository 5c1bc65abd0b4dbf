import { until, type Teardown } from './backends.js'
import { startRedis, type RedisServer } from './redis.js'

const MASTERS = 3
const SLOTS = 16_384
const READY_MS = 20_000
const ARGS = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-announce-ip', '127.0.0.1']

export interface RedisCluster {
  /** Every node, separated by commas. */
  readonly url: string
  readonly nodes: readonly RedisServer[]
}

/** A Cluster of three masters on 127.0.0.1 that covers all slots; gone with the test. */
export async function startRedisCluster (t: Teardown): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: MASTERS }, () => startRedis(t, { args: ARGS })))
  await Promise.all(nodes.map(takeSlots))
  const [first, ...others] = nodes
  for (const node of others) await first?.cli('CLUSTER', 'MEET', '127.0.0.1', String(node.port))
  const isUp = await until(async () => (await Promise.all(nodes.map(seesAll))).every(Boolean), READY_MS)
  if (!isUp) throw new Error(`The Cluster did not form:\n${await first?.cli('CLUSTER', 'NODES')}`)
  return { url: nodes.map((node) => node.url).join(','), nodes }
}

async function takeSlots (node: RedisServer, index: number): Promise<void> {
  const first = Math.floor(SLOTS * index / MASTERS)
  const end = Math.floor(SLOTS * (index + 1) / MASTERS)
  const slots = Array.from({ length: end - first }, (_, offset) => String(first + offset))
  await node.cli('CLUSTER', 'ADDSLOTS', ...slots)
  // Told apart from the start: equal epochs would have to be settled first.
  await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
}

async function seesAll (node: RedisServer): Promise<boolean> {
  const info = await node.cli('CLUSTER', 'INFO')
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${MASTERS}`)
}
