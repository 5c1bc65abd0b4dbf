import type { FastifyRequest } from 'fastify'
import { createAddressMatcher } from '../identity/identity.js'

const HOST = /^(\[[0-9a-f:.]{2,45}\]|[^\s:[\]@/?#]{1,255})(?::(\d{1,5}))?$/i

export interface HostRules {
  /** ADMIN_HOST: what the listener is bound to. */
  readonly host: string
  /** ADMIN_ALLOWED_HOSTS: `name`, or `name:port` for just that port. */
  readonly allowedHosts: readonly string[]
}

const isLoopback = createAddressMatcher(['loopback'])

/**
 * Whether a request's `Host` is ours to answer. A page of a hostile site whose name suddenly resolves to this
 * machine still sends that name; so names count only when the operator named them, and an address only when the
 * connection came in on it.
 */
export function createHostCheck ({ host, allowedHosts }: HostRules): (request: FastifyRequest) => boolean {
  const named = new Set([host, ...allowedHosts].map((name) => name.toLowerCase()))
  return ({ headers, socket }) => {
    const found = HOST.exec(headers.host ?? '')
    if (found === null) return false
    const [whole, bracketed = ''] = found
    const name = bracketed.replace(/^\[|\]$/g, '').toLowerCase()
    return name === 'localhost' || isLoopback(name) || named.has(name) || named.has(bracketed.toLowerCase()) ||
      named.has(whole.toLowerCase()) || name === localAddress(socket.localAddress)
  }
}

function localAddress (address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/i, '')
}
