import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { Server as NetServer, type Socket } from 'node:net'
import type { ServerResponse } from 'node:http'
import type { Gateway } from '../gateway/gateway.js'
import type { OpenExchanges } from '../gateway/open-exchanges.js'

/** A request that was sent before its client could know of the end arrives within it, and is answered. */
const LAST_REQUESTS_MS = 1000
/** Who comes all the same is not waited for any longer. */
const LAST_CONNECTIONS_MS = 1000
/** How often connections are looked at while the gateway drains. */
const LOOK_EVERY_MS = 20

/**
 * Stops accepting, waits for what is under way, and cuts what outlives the grace. No connection is closed under a
 * request: whoever asks once more is answered, and told that it was the last time.
 */
export async function drain ({ app, sockets }: Gateway, open: OpenExchanges, graceMs: number): Promise<void> {
  const { server } = app
  await stopAccepting(server)
  server.prependListener('request', (_request, response: ServerResponse) => { response.shouldKeepAlive = false })
  const cut = setTimeout(() => {
    open.closeAll()
    // Also those that never sent a whole request: they are in nobody's list.
    server.closeAllConnections()
    for (const socket of sockets) socket.destroy()
  }, graceMs)
  await allGone(sockets, { withinMs: Math.min(LAST_REQUESTS_MS, graceMs) })
  for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  const closed = app.close()
  await allGone(sockets, { hangUp: () => server.closeIdleConnections() })
  await closed
  clearTimeout(cut)
}

/**
 * Closes the listening socket alone, when nobody waits there any more: the kernel resets connections that are closed
 * unaccepted. The loop accepts one a turn, so a turn without any shows that the queue is empty.
 */
export async function stopAccepting (server: NetServer): Promise<void> {
  let hasAccepted = true
  const note = () => { hasAccepted = true }
  server.on('connection', note)
  const end = performance.now() + LAST_CONNECTIONS_MS
  // What is left of this turn shows nothing.
  await setImmediate()
  while (hasAccepted && performance.now() < end) {
    hasAccepted = false
    await setImmediate()
  }
  server.off('connection', note)
  // An HTTP server's own `close` would hang up on idle connections too, under requests that are on their way.
  if (server.listening) NetServer.prototype.close.call(server)
}

interface Wait {
  /** For ever when absent. */
  readonly withinMs?: number
  /** A connection whose answer ended stays open for the next request, which must not come. */
  readonly hangUp?: () => void
}

async function allGone (sockets: ReadonlySet<Socket>, { withinMs = Infinity, hangUp }: Wait): Promise<void> {
  const end = performance.now() + withinMs
  while (sockets.size > 0 && performance.now() < end) {
    hangUp?.()
    await sleep(LOOK_EVERY_MS)
  }
}
