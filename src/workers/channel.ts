import type { Socket } from 'node:net'
import type { FromWorker, ToWorker } from './messages.js'

/** A worker's line to its primary. Without a primary the process ends at once; that is `main.ts`'s to see. */
export interface Channel {
  send (message: FromWorker): void
  /** Messages are handed over in order; those that came before wait until somebody listens. */
  listen (receive: (message: ToWorker, socket: Socket | undefined) => void): void
  /** Resolves when what was sent has left this process. */
  flush (): Promise<void>
  /** Keeps the process alive no longer. */
  release (): void
}

export function openChannel (): Channel {
  let last: Promise<void> = Promise.resolve()
  // The process itself does not wait for its channel; a worker lives by it.
  process.channel?.ref()
  return {
    send (message) {
      if (!process.connected) return
      last = new Promise((resolve) => { process.send?.(message, undefined, undefined, () => resolve()) })
    },
    listen: (receive) => {
      process.removeAllListeners('message')
      process.on('message', (message: ToWorker, socket?: Socket) => receive(message, socket))
    },
    flush: () => last,
    release: () => { process.channel?.unref() },
  }
}
