import { Redis } from 'ioredis'
import { sentinelClientOptions } from './clients.js'
import type { RedisClient, RedisSettings } from './contract.js'
import { createLastingClient } from './lasting-client.js'
import { isCluster } from './topology.js'

/** Sentinels say here, each by itself: `<master's name> <old host> <old port> <new host> <new port>`. */
const CHANNEL = '+switch-master'

/** Where the master is now. */
export interface Master { readonly host: string, readonly port: number }

/**
 * Listens to every sentinel for a new master. The old one, where it lives on, takes writes for some more seconds, which
 * are lost when it is demoted: whoever is connected to it should leave at once. Without sentinels there is nothing to hear.
 */
export function watchSentinels (settings: RedisSettings, onSwitch: (master: Master) => void) {
  const sentinels = settings.topology === 'sentinel' ? settings.addresses : []
  const watchers = sentinels.map(({ host, port }) => {
    const client = new Redis({ ...sentinelClientOptions(settings), host, port })
    const watcher = createLastingClient(client)
    client.on('message', (_channel: string, text: string) => {
      const [name, , , newHost, newPort] = text.split(' ')
      if (name === settings.masterName && newHost !== undefined) onSwitch({ host: newHost, port: Number(newPort) })
    })
    // Waits for the connection, and is said again over each further one.
    client.subscribe(CHANNEL).catch(() => {})
    return watcher
  })
  return {
    close: async () => { await Promise.all(watchers.map((watcher) => watcher.close())) },
  }
}

/** Leaves a server that is not the master any more; the client asks the sentinels anew. */
export function leaveFor (client: RedisClient, { host, port }: Master): void {
  if (isCluster(client) || client.status !== 'ready') return
  if (client.stream.remoteAddress === host && client.stream.remotePort === port) return
  client.disconnect(true)
}
