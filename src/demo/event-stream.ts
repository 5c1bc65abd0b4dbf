import { PassThrough } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Viewer } from './generations.js'

/** A viewer who reads so much slower than the answer grows is let go. */
const maxUnreadBytes = 1024 * 1024

export interface EventStream extends Viewer {
  /** Once, when the viewer has left or the last event was written. */
  onClose (listener: () => void): void
}

/** Server-sent events as the answer to a request. Return the reply's promise from the handler. */
export function openEventStream (reply: FastifyReply): EventStream {
  const body = new PassThrough()
  reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-cache, no-transform')
    .header('x-accel-buffering', 'no')
    .send(body)
  return {
    send (event, data) {
      if (body.destroyed || body.writableEnded) return
      body.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
      if (body.writableLength + body.readableLength > maxUnreadBytes) body.destroy()
    },
    end: () => { body.end() },
    onClose: (listener) => { body.once('close', listener) },
  }
}
