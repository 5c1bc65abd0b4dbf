import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

/** Bodies of a known length up to this are collected: streaming a small one costs more than sending it. */
const SMALL_BYTES = 64 * 1024
/** How long the rest of an unread body is thrown away after the answer, before the connection is cut. */
const LINGER_MS = 10_000

/** Whether the message head announces a body. */
export function carriesBody (request: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers
  return coding !== undefined || (length !== undefined && Number(length) > 0)
}

export function isSmallBody (request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] === undefined && Number(request.headers['content-length']) <= SMALL_BYTES
}

/** Calls back with the whole body. A client that leaves before its end leaves the callback uncalled. */
export function collectBody (request: IncomingMessage, done: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  request.on('end', () => {
    const [first] = chunks
    done(chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks))
  })
}

/**
 * The client's body as a stream that the HTTP client may destroy without hurting the client's connection:
 * an answer that comes before the body was read can still be sent.
 */
export class RequestBody extends Readable {
  readonly #request: IncomingMessage
  readonly #onData = (chunk: Buffer): void => { if (!this.push(chunk)) this.#request.pause() }
  readonly #onEnd = (): void => { this.push(null) }

  constructor (request: IncomingMessage) {
    super()
    this.#request = request
    request.on('data', this.#onData).on('end', this.#onEnd).pause()
    // The forwarder learns of failures elsewhere; an unheard 'error' would end the process.
    this.on('error', () => {})
  }

  override _read (): void {
    this.#request.resume()
  }

  override _destroy (error: Error | null, callback: (error: Error | null) => void): void {
    // Nobody wants the rest; what the client still sends must not block its connection.
    this.#request.off('data', this.#onData).off('end', this.#onEnd).resume()
    callback(error)
  }
}

/** Lets go of a body that nobody will read to its end, so that the rest of it can be thrown away. */
export function releaseBody (body: unknown): void {
  if (body instanceof RequestBody) body.destroy()
}

/**
 * Throws away what a client still sends after it has been answered, so that it gets to read the answer
 * instead of a reset, but not for ever.
 */
export function discardRest (request: IncomingMessage, response: ServerResponse): void {
  if (request.readableEnded || request.destroyed) return
  request.resume()
  const { socket } = request
  // On `Connection: close` node would close with unread bytes, which is a reset; this only says goodbye.
  if (!response.shouldKeepAlive) socket.destroySoon = () => { socket.end() }
  if (response.writableFinished) limitRest(request)
  else response.once('finish', () => { limitRest(request) })
}

function limitRest (request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return
  const timer = setTimeout(() => { request.socket.destroy() }, LINGER_MS).unref()
  request.once('close', () => { clearTimeout(timer) })
}
