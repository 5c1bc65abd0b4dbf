import type { Socket } from 'node:net'

/** How long a client may take to close its side after we closed ours. */
const HANG_UP_MS = 5000

/** Says goodbye, and does not wait for ever for the other side to do the same. */
export function hangUp (socket: Socket): void {
  socket.end()
  const cut = setTimeout(() => socket.destroy(), HANG_UP_MS).unref()
  socket.once('close', () => clearTimeout(cut))
}
