import type { Redis } from 'ioredis'
import { retryDelayMs } from './clients.js'
import type { RedisClient } from './contract.js'
import { isCluster } from './topology.js'

/** A connection that does not end by then is left to end by itself. */
const CLOSE_MS = 500
/** What a client says that is alive. */
const REVIVALS = ['connecting', 'connect', 'ready', 'reconnecting'] as const

/** A client that connects again for ever, until it is closed. */
export interface LastingClient {
  readonly client: RedisClient
  /** Never rejects. What waits on the client is rejected. */
  close (): Promise<void>
}

/** Connects a client again when the library has given up, and keeps its errors from ending the process. */
export function createLastingClient (client: RedisClient): LastingClient {
  let attempts = 0
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  if (isCluster(client)) {
    client.on('error', ignore)
    client.on('+node', guardSocket)
  } else {
    guardSocket(client)
  }
  client.on('ready', () => { attempts = 0 })
  client.on('end', () => {
    if (isClosed) return
    timer = setTimeout(() => { client.connect().catch(ignore) }, retryDelayMs(++attempts))
  })
  // An attempt that was under way when it was closed must not bring it back, or its process would never end.
  for (const event of REVIVALS) client.on(event, () => { if (isClosed) client.disconnect() })
  return {
    client,
    close: async () => {
      if (isClosed) return
      isClosed = true
      clearTimeout(timer)
      await disconnect(client)
    },
  }
}

/** The library hears a socket's first error only; one that breaks in the middle of a TLS handshake may have a second. */
function guardSocket (client: Redis): void {
  client.on('error', () => {
    // Absent while a sentinel is still being asked.
    const socket: Redis['stream'] | undefined = client.stream
    socket?.on('error', ignore)
  })
}

async function disconnect (client: RedisClient): Promise<void> {
  const { status } = client
  if (status === 'end') return
  let patience: NodeJS.Timeout | undefined
  const ended = new Promise((resolve) => { client.once('end', resolve) })
  const enough = new Promise((resolve) => { patience = setTimeout(resolve, CLOSE_MS) })
  client.disconnect()
  if (status === 'reconnecting') {
    // Between two attempts there is nothing to disconnect, and those who wait would not hear of it.
    client.connect().catch(ignore)
    client.disconnect()
  }
  await Promise.race([ended, enough])
  clearTimeout(patience)
}

function ignore (): void {}
