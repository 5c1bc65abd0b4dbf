import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { stopAccepting } from '../assembly/drain.js'
import type { Member } from './member.js'

/** Connections that wait for a worker, while none is there; more are refused. */
const MAX_WAITING = 1024

export interface PublicListenerOptions {
  /** The workers that take connections. */
  readonly ready: () => readonly Member[]
}

export interface PublicListener {
  /** Answers its URL. Rejects when the address cannot be had. */
  listen (address: { readonly host: string, readonly port: number }): Promise<string>
  /** Hands a connection to a worker, in turn; keeps it when there is none. */
  handOver (socket: Socket): void
  /** A worker has come: what waited is handed over. */
  resume (): void
  /** Accepts no more. What was accepted has been handed over when this resolves, or waits in vain and is closed. */
  close (): Promise<void>
}

/**
 * Accepts the connections of all workers and reads nothing of them. The primary does this itself, and not by a port
 * that cluster shares, for the end's sake: once it has stopped accepting, every accepted connection stands in a
 * worker's channel before the word to stop. With a shared port, what was accepted last would be reset.
 */
export function createPublicListener ({ ready }: PublicListenerOptions): PublicListener {
  const waiting: Socket[] = []
  let turn = 0

  function handOver (socket: Socket): void {
    const members = ready()
    if (members.length > 0) nextOf(members).handOver(socket)
    else if (waiting.length < MAX_WAITING && server.listening) waiting.push(socket)
    else socket.destroy()
  }

  /** In turn, but past a worker that does not fetch what it was given. */
  function nextOf (members: readonly Member[]): Member {
    turn = (turn + 1) % members.length
    let next = members[turn] as Member
    for (const member of members) if (member.underWay < next.underWay) next = member
    return next
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    // A client that leaves before a worker has its connection.
    socket.on('error', () => {})
    handOver(socket)
  })
  return {
    handOver,
    async listen ({ host, port }) {
      await once(server.listen({ host, port }), 'listening')
      return urlOf(server.address() as AddressInfo)
    },
    resume () {
      for (const socket of waiting.splice(0)) handOver(socket)
    },
    close: async () => {
      await stopAccepting(server)
      for (const socket of waiting.splice(0)) socket.destroy()
    },
  }
}

/** Where this machine reaches it. */
function urlOf ({ address, family, port }: AddressInfo): string {
  if (family === 'IPv6') return `http://[${address === '::' ? '::1' : address}]:${port}`
  return `http://${address === '0.0.0.0' ? '127.0.0.1' : address}:${port}`
}
