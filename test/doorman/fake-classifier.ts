import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { startBackend, type Backend, type Teardown } from '../helpers/backends.js'

interface Said { readonly role: string, readonly content: string }

/** One question as the server was asked it. */
export interface Asked {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: {
    readonly model?: string
    readonly messages: readonly [Said, Said]
    readonly response_format?: {
      readonly type: string
      readonly json_schema?: { readonly schema: { readonly properties: { readonly category: { enum: string[] } } } }
    }
    readonly [name: string]: unknown
  }
}

/** What the data says: the one line between the delimiters that the instructions name. */
export interface Data {
  readonly message: string
  readonly quoted?: readonly string[]
  readonly context: readonly { readonly from: string, readonly text: string }[]
}

export type Answer = (asked: Asked, response: ServerResponse) => void | Promise<void>

export interface FakeClassifier extends Backend {
  readonly asked: Asked[]
  /** How many are being asked at once just now, and how many were at most. */
  readonly load: { now: number, most: number }
  /** What the next questions are answered. */
  answer: Answer
}

/** A real server that speaks as much of OpenAI's API as is asked for. */
export async function startClassifier (t: Teardown, answer: Answer = judge(byWords)): Promise<FakeClassifier> {
  const asked: Asked[] = []
  const load = { now: 0, most: 0 }
  const backend = await startBackend(t, (request, response) => {
    load.most = Math.max(load.most, ++load.now)
    response.on('close', () => { load.now-- })
    response.on('error', () => {})
    text(request).then(async (body) => {
      const one: Asked = { path: request.url ?? '', headers: request.headers, body: JSON.parse(body) as Asked['body'] }
      asked.push(one)
      await fake.answer(one, response)
    }).catch(() => { response.destroy() })
  })
  const fake: FakeClassifier = { ...backend, asked, load, answer }
  return fake
}

export interface SaidOptions { readonly usage?: object, readonly finish?: string, readonly message?: object }

/** An answer as OpenAI's API has it, with this text in it. */
export function say (response: ServerResponse, content: unknown, { usage, finish = 'stop', message }: SaidOptions = {}): void {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content, ...message }, finish_reason: finish }],
    usage: usage ?? { prompt_tokens: 300, completion_tokens: 10, total_tokens: 310 },
  }))
}

/** Answers as this judge says of the data. */
export function judge (decide: (data: Data, outside: string) => string, options?: SaidOptions): Answer {
  return (asked, response) => {
    const { data, outside } = takeApart(asked)
    say(response, JSON.stringify({ category: decide(data, outside) }), options)
  }
}

/** A model that knows an attack by its words. */
export function byWords ({ message }: Data): string {
  if (/jailbreak|ignore (?:all|your|previous)|developer mode|system prompt/i.test(message)) return 'JAILBREAK'
  if (/drop table|password file/i.test(message)) return 'EXPLOITATION'
  if (/prove|theorem/i.test(message)) return 'GENIUS'
  return message.length < 12 ? 'SHALLOW' : 'DEEP'
}

/** Finds the data where the instructions say that it is, line by line, as somebody would who believes in delimiters. */
export function takeApart ({ body: { messages: [system, user] } }: Asked): { data: Data, outside: string } {
  const [, begin, end] = /between the lines (<<<DATA \w+>>>) and (<<<END \w+>>>)/.exec(system.content) ?? []
  const lines = user.content.split('\n')
  const from = lines.indexOf(begin ?? '')
  const to = lines.indexOf(end ?? '', from)
  if (from === -1 || to === -1) throw new Error('no data')
  return {
    data: JSON.parse(lines.slice(from + 1, to).join('\n')) as Data,
    outside: [...lines.slice(0, from), ...lines.slice(to + 1)].join('\n'),
  }
}
