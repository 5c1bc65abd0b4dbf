import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ports that systems hand out by themselves: no client's own end takes the port of a server while that is
 * down, and none that reconnects finds itself there. A Cluster's bus, 10,000 above, lies below them too.
 */
const FIRST = 10_000
const LAST = 20_000

/** A port on which nobody listens, for a server that will be stopped and started again. */
export async function quietPort (): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (await isFree(port)) return port
  }
}

async function isFree (port: number): Promise<boolean> {
  const server = createServer().listen({ port, host: '127.0.0.1' })
  const isOurs = await once(server, 'listening').then(() => true, () => false)
  if (isOurs) await once(server.close(), 'close')
  return isOurs
}
