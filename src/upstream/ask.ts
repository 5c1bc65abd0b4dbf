import type { Connections } from './connections.js'
import type { Forwarder } from './contract.js'
import type { Origin } from './origin.js'

/** A question behind a client's back must not keep the client waiting. */
const ASK_DEADLINE_MS = 1000
const LARGEST_ANSWER = 256 * 1024

/** A question of our own to the backend. An answer that is late, too large or no JSON is no answer. */
export function createAsk ({ connections, origin }: { connections: Connections, origin: Origin }): Forwarder['ask'] {
  return async (path, headers) => {
    try {
      const options = {
        method: 'GET',
        path: origin.base + path,
        headers,
        signal: AbortSignal.timeout(ASK_DEADLINE_MS),
        // Without it undici would reconnect to suit the Host header.
        servername: origin.hostname,
      }
      const { statusCode, body } = await connections.pool.request(options)
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > LARGEST_ANSWER) return undefined
        chunks.push(chunk)
      }
      return { status: statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) as unknown }
    } catch {
      return undefined
    }
  }
}
