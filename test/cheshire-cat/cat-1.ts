import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { WebSocketServer, type WebSocket } from 'ws'
import { startBackend, type Teardown } from '../helpers/backends.js'

export const MEOW = 'Meow to you'
const TOKENS = ['Meow ', 'to ', 'you']
const SOCKET = /^\/ws(?:\/([^/?]+))?(?:\?|$)/
/** As the Cat calls whoever does not say who he is. */
const NOBODY = 'user'

interface UserMessage { readonly text?: string }
/** What reached the Cat's model, with the name under which it came. */
interface Heard { readonly user: string, readonly text: string }

export interface Cat1 {
  readonly url: string
  readonly heard: readonly Heard[]
  /** Sockets that are open right now. */
  readonly open: () => number
}

/**
 * The wire format of the Cheshire Cat 1.x, as core/cat/{routes,convo,auth} of its releases have it, with a model that
 * says one thing. It lets everybody in, as a Cat without keys does, and goes by the name that the client gives.
 */
export async function startCat1 (t: Teardown): Promise<Cat1> {
  const heard: Heard[] = []
  const backend = await startBackend(t, (request, response) => {
    answerHttp(request, response, heard).catch(() => response.destroy())
  })
  const sockets = new WebSocketServer({ noServer: true })
  backend.server.on('upgrade', (request, socket, head) => {
    const found = SOCKET.exec(request.url ?? '')
    if (found === null) return socket.destroy()
    sockets.handleUpgrade(request, socket, head, (ws) => listen(ws, found[1] ?? NOBODY, heard))
  })
  return { url: backend.url, heard, open: () => sockets.clients.size }
}

async function answerHttp (request: IncomingMessage, response: ServerResponse, heard: Heard[]): Promise<void> {
  response.setHeader('content-type', 'application/json')
  if (request.method !== 'POST' || request.url !== '/message') {
    response.end(JSON.stringify({ status: 'We\'re all mad here, dear!', version: '1.9.0' }))
    return
  }
  const user = String(request.headers['user_id'] ?? NOBODY)
  const { text = '' } = await json(request) as UserMessage
  heard.push({ user, text })
  response.end(JSON.stringify(catMessage(user, text)))
}

function listen (ws: WebSocket, user: string, heard: Heard[]): void {
  ws.on('message', (data: Buffer) => {
    const { text = '' } = JSON.parse(data.toString()) as UserMessage
    heard.push({ user, text })
    for (const content of TOKENS) ws.send(JSON.stringify({ type: 'chat_token', content }))
    ws.send(JSON.stringify(catMessage(user, text)))
  })
}

function catMessage (user: string, input: string) {
  return {
    type: 'chat',
    user_id: user,
    when: Date.now() / 1000,
    who: 'AI',
    text: MEOW,
    image: null,
    audio: null,
    why: {
      input,
      intermediate_steps: [],
      memory: { episodic: [], declarative: [], procedural: [] },
      model_interactions: [],
      agent_output: null,
    },
    content: MEOW,
  }
}
