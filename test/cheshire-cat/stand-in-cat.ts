import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import type { Test } from 'tap'
import { startBackend } from '../helpers/backends.js'
import type { RealCat } from './real-cat.js'

const THREAD = '_'

interface Task {
  readonly messages: ReadonlyArray<{ readonly content: ReadonlyArray<{ readonly text: string }> }>
  readonly stream?: boolean
}

/** Where no Python is: what version 2.0.23 was seen to answer. It has no types of its own. */
export async function startStandInCat (t: Test, modelUrl: string): Promise<RealCat> {
  const backend = await startBackend(t, (request, response) => {
    answer(request, response, modelUrl).catch(() => response.destroy())
  })
  return { url: backend.url, verdicts: async () => [] }
}

async function answer (request: IncomingMessage, response: ServerResponse, modelUrl: string): Promise<void> {
  const task = await json(request) as Task
  const said = await askModel(modelUrl, task.messages.at(-1)?.content[0]?.text ?? '')
  if (task.stream === false) {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(resultOf(said, '_meta')))
    return
  }
  response.setHeader('content-type', 'text/event-stream; charset=utf-8')
  response.end(eventsOf(said).map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))
}

async function askModel (url: string, content: string): Promise<string> {
  const body = JSON.stringify({ model: 'mad', messages: [{ role: 'user', content }] })
  const answer = await fetch(`${url}/chat/completions`, { method: 'POST', body })
  const { choices } = await answer.json() as { choices: ReadonlyArray<{ message: { content: string } }> }
  return choices[0]?.message.content ?? ''
}

function resultOf (text: string, meta: string) {
  const content = [{ type: 'text', text, annotations: null, [meta]: null }]
  const message = { role: 'assistant', content, tool_calls: [], tool_call_id: null, structuredContent: null, text }
  return { messages: [message], resources: [], args: {}, stream: true }
}

function eventsOf (delta: string): object[] {
  const event = { timestamp: Math.floor(Date.now() / 1000), raw_event: null, metadata: null }
  const run = { ...event, thread_id: THREAD, run_id: randomUUID() }
  const said = () => ({ ...event, subagent_run_id: null, message_id: randomUUID() })
  return [
    { type: 'RUN_STARTED', ...run, protocol_version: null, parent_run_id: null, input: null },
    { type: 'TEXT_MESSAGE_START', ...said(), role: null, name: null },
    { type: 'TEXT_MESSAGE_CONTENT', ...said(), delta },
    { type: 'TEXT_MESSAGE_END', ...said() },
    { type: 'RUN_FINISHED', ...run, result: resultOf(delta, 'meta'), outcome: null, usage: null },
  ]
}
