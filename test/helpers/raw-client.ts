import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until, type Teardown } from './backends.js'

export interface RawClient {
  readonly socket: Socket
  /** Everything received so far, as Latin-1. */
  text (): string
  /** Waits for a text to arrive; false when it did not in time. */
  sees (text: string, withinMs?: number): Promise<boolean>
  /** Resolves with all that came when the other side has closed. */
  closed (): Promise<string>
}

/** A client that sends exactly these bytes and shows exactly what came back. */
export async function rawClient (t: Teardown, port: number, send = ''): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' })
  t.teardown(() => { socket.destroy() })
  let received = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => { received += chunk })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
  await once(socket, 'connect')
  if (send !== '') socket.write(send, 'latin1')
  return {
    socket,
    text: () => received,
    sees: (text, withinMs) => until(() => received.includes(text), withinMs),
    closed: async () => { await closed; return received },
  }
}

/** Sends one request with `Connection: close` among its own lines and resolves with the whole answer. */
export async function rawExchange (t: Teardown, port: number, lines: readonly string[], body = ''): Promise<string> {
  const client = await rawClient(t, port, `${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`)
  return await client.closed()
}
