import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { startBackend, type Teardown } from '../helpers/backends.js'

export const ANSWER = 'We are all mad here.'
const TOKENS = ['We are ', 'all mad ', 'here.']

interface Question {
  readonly stream?: boolean
  readonly messages: ReadonlyArray<{ readonly role: string, readonly content: string }>
}

export interface ModelServer {
  /** As an OpenAI client takes it: `http://127.0.0.1:<port>/v1`. */
  readonly baseUrl: string
  /** What it was asked, the newest question last: the text of the person's last message. */
  readonly asked: readonly string[]
}

/** A server of the OpenAI API that gives the same answer to everything; gone with the test. */
export async function startModelServer (t: Teardown): Promise<ModelServer> {
  const asked: string[] = []
  const backend = await startBackend(t, (request, response) => {
    answer(request, response, asked).catch(() => response.destroy())
  })
  return { baseUrl: `${backend.url}/v1`, asked }
}

async function answer (request: IncomingMessage, response: ServerResponse, asked: string[]): Promise<void> {
  if (request.method !== 'POST') return send(response, { object: 'list', data: [{ id: 'mad', object: 'model' }] })
  const question = JSON.parse(await text(request)) as Question
  asked.push(question.messages.findLast(({ role }) => role === 'user')?.content ?? '')
  const head = { id: 'c1', created: 1, model: 'mad' }
  if (question.stream === true) {
    response.setHeader('content-type', 'text/event-stream')
    for (const content of TOKENS) {
      const choices = [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }]
      response.write(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices })}\n\n`)
    }
    response.end('data: [DONE]\n\n')
    return
  }
  const choices = [{ index: 0, message: { role: 'assistant', content: ANSWER }, finish_reason: 'stop' }]
  send(response, { ...head, object: 'chat.completion', choices })
}

function send (response: ServerResponse, body: object): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(body))
}
