import type { Cluster, Redis } from 'ioredis'
import type { Log } from '../../log.js'
import type { RedisClient } from './contract.js'
import { preloadScripts } from './scripts.js'
import { isCluster } from './topology.js'

/** Reasons that are told between two successes; a server that finds ever new ones is not worth more lines. */
const MOST_REASONS = 20
/** What the library says when it has come to the end of its list of sentinels and begins anew. */
const NEXT_ROUND = 'Retrying from scratch'

/** Whether a connection is up, told to the log and to listeners. */
export interface Presence {
  readonly isConnected: boolean
  onChange (listener: (isConnected: boolean) => void): void
}

/** Watches a client, loads the scripts over each connection that comes up, and opens those of a Cluster in advance. */
export function watchPresence (client: RedisClient, where: string, log: Log): Presence {
  const listeners: ((isConnected: boolean) => void)[] = []
  const diary = createDiary(where, log)
  let isConnected = false
  const look = () => {
    const isUp = client.status === 'ready' && (!isCluster(client) || client.nodes('master').some(isReady))
    if (isUp === isConnected) return
    isConnected = isUp
    diary.noteChange(isUp)
    for (const listener of listeners) listener(isUp)
  }
  client.on('error', (error: ErrorWithCause) => {
    if (!error.message.includes(NEXT_ROUND)) diary.noteTrouble(error.lastNodeError ?? error, where)
  })
  if (isCluster(client)) watchNodes(client, { look, noteTrouble: diary.noteTrouble })
  else client.on('ready', () => preloadScripts(client))
  for (const event of ['ready', 'close', 'end']) client.on(event, look)
  return {
    get isConnected () { return isConnected },
    onChange: (listener) => { listeners.push(listener) },
  }
}

interface ErrorWithCause extends Error { readonly lastNodeError?: Error }
interface NodeWatcher { look (): void, noteTrouble (error: Error, where: string): void }

function watchNodes (cluster: Cluster, { look, noteTrouble }: NodeWatcher): void {
  // Not before the Cluster is ready: it asks its nodes itself and takes one that is connecting for one that is gone.
  const connect = (node: Redis) => {
    if (cluster.status === 'ready' && node.status === 'wait') node.connect().catch(() => {})
  }
  cluster.on('ready', () => cluster.nodes('master').forEach(connect))
  cluster.on('node error', noteTrouble)
  cluster.on('+node', (node: Redis) => {
    node.on('ready', () => {
      preloadScripts(node)
      look()
    })
    node.on('close', () => {
      look()
      // Another node may have taken its place.
      if (cluster.status === 'ready') cluster.refreshSlotsCache()
    })
    connect(node)
  })
}

/** Writes what happens to a connection into the log: each change once, each reason once until all is well again. */
function createDiary (where: string, log: Log) {
  const told = new Set<string>()
  let lostAt: number | undefined
  let isConnected = false
  let lastReason: string | undefined
  return {
    noteChange: (isUp: boolean) => {
      isConnected = isUp
      if (isUp) {
        told.clear()
        const awayMs = lostAt === undefined ? {} : { awayMs: Math.round(performance.now() - lostAt) }
        log.info({ redis: where, ...awayMs }, lostAt === undefined ? 'Connected to Redis.' : 'The connection to Redis is back.')
      } else {
        lostAt = performance.now()
        // What it means for requests is said by whoever decides without it.
        log.info({ redis: where, ...(lastReason === undefined ? {} : { reason: lastReason }) }, 'The connection to Redis is lost.')
      }
      lastReason = undefined
    },
    // Only the message: the error itself may hold the command that failed, which may be the one that signs in.
    noteTrouble: ({ message }: Error, at: string) => {
      if (isConnected && at === where) lastReason = message
      const line = `${at} ${message}`
      if ((isConnected && at === where) || told.has(line) || told.size >= MOST_REASONS) return
      told.add(line)
      log.warn({ redis: at, reason: message }, 'Redis cannot be reached.')
    },
  }
}

function isReady (node: Redis): boolean {
  return node.status === 'ready'
}
