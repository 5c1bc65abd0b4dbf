import type { Duplex } from 'node:stream'
import type { Outcome } from './watch.js'

/** How long the other side may take to read what was still under way when its peer has gone. */
const LAST_WORDS_MS = 5_000

/**
 * Makes two connections one: bytes both ways with back-pressure, an end passed on as an end (the other
 * direction lives on), and the loss of either ends the other. `onEnd` is called once, when one is gone:
 * `complete` after both had ended in order, else by whoever broke off.
 */
export function joinSockets (client: Duplex, backend: Duplex, onEnd: (outcome: Outcome) => void): void {
  let over = false
  const finish = (gone: Duplex, other: Duplex, outcome: Outcome): void => {
    letGo(other)
    if (over) return
    over = true
    onEnd(gone.readableEnded && other.readableEnded ? 'complete' : outcome)
  }
  client.on('error', ignore).on('close', () => { finish(client, backend, 'aborted') })
  backend.on('error', ignore).on('close', () => { finish(backend, client, 'failed') })
  client.pipe(backend)
  backend.pipe(client)
  if (client.destroyed) finish(client, backend, 'aborted')
  else if (backend.destroyed) finish(backend, client, 'failed')
}

/** Ends a connection whose peer is gone, after the bytes that are already on their way to it. */
function letGo (socket: Duplex): void {
  if (socket.destroyed) return
  if (socket.writableLength === 0) {
    socket.destroy()
    return
  }
  const timer = setTimeout(() => { socket.destroy() }, LAST_WORDS_MS).unref()
  socket.once('close', () => { clearTimeout(timer) })
  socket.end(() => { socket.destroy() })
}

function ignore (): void {}
