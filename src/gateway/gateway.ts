/**
 * The public listener: every request passes these three steps from top to bottom.
 * What each step does stands in `turn.ts`; the checks and their order in `checks.ts`.
 */
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Access } from '../bans/bans.js'
import type { Policy } from '../policy/contract.js'
import { createListener, ONLY_PATH } from './listener.js'
import type { Rooms } from './rooms.js'
import { createRuntime, type Runtime } from './runtime.js'
import { attempt, guardBody, guardHead, handOver } from './turn.js'

export interface Gateway {
  readonly app: FastifyInstance
  /** Connections of clients, whatever has come of them. */
  readonly sockets: ReadonlySet<Socket>
  readonly policy: Policy
  /** The lists of the policy in force. */
  readonly access: Access
  /** Swaps the policy; requests under way keep theirs. */
  reload (policy: Policy): void
}

export async function createGateway (policy: Policy, rooms: Rooms): Promise<Gateway> {
  let runtime = createRuntime(policy, rooms)
  const current = () => runtime
  const app = createListener()
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await app.register(async (scope) => {
    scope.decorateRequest('exchange', null)
    scope.decorateRequest('runtime', null)
    // 1. Before a byte of the body: who is it, what applies, is there anything against it?
    scope.addHook('onRequest', (request, reply, done) => { attempt(guardHead, { request, reply, done, runtime, rooms, current }) })
    // 2. The body, where a check wants to see it.
    scope.addHook('preHandler', (request, reply, done) => { attempt(guardBody, { request, reply, done, runtime, rooms, current }) })
    // 3. Nothing is against it: over to the backend.
    scope.route({
      method: scope.supportedMethods,
      url: ONLY_PATH,
      handler: (request, reply) => { attempt(handOver, { request, reply, done: nothing, runtime, rooms, current }) },
    })
  })
  app.addHook('onClose', () => runtime.forwarder.close())
  return {
    app,
    sockets,
    get policy () { return runtime.policy },
    get access () { return runtime.access },
    reload: (next) => { runtime = replaceRuntime(runtime, next, rooms) },
  }
}

function replaceRuntime (current: Runtime, policy: Policy, rooms: Rooms): Runtime {
  const next = createRuntime(policy, rooms, current)
  // Resolves when the last request under way has ended; nobody waits for that.
  if (next.forwarder !== current.forwarder) current.forwarder.close().catch(nothing)
  return next
}

function nothing () {}
