import type { AssistantMessage } from './assistant-message.js'
import { jsonReply, streamEvent, streamReply } from './bodies.js'
import type { Reply } from './contract.js'

const DONE = streamEvent('[DONE]')
/** No model was asked. */
const NO_USAGE = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }

/** The message as an answer of `POST /v1/chat/completions`: an object, or chunks where the request wants a stream. */
export function chatCompletion (message: AssistantMessage): Reply {
  const head = headOf(message, 'chatcmpl')
  if (message.body['stream'] !== true) {
    const said = { role: 'assistant', content: message.text, refusal: null, annotations: [] }
    return jsonReply(200, {
      ...head, object: 'chat.completion', choices: [{ index: 0, message: said, ...ENDED }], usage: NO_USAGE,
    })
  }
  const choices = [
    { index: 0, delta: { role: 'assistant', content: '', refusal: null }, ...OPEN },
    { index: 0, delta: { content: message.text }, ...OPEN },
    { index: 0, delta: {}, ...ENDED },
  ]
  return chunked(message, { ...head, object: 'chat.completion.chunk' }, choices)
}

/** The same for the older `POST /v1/completions`. */
export function textCompletion (message: AssistantMessage): Reply {
  const head = { ...headOf(message, 'cmpl'), object: 'text_completion' }
  const { text } = message
  if (message.body['stream'] !== true) {
    return jsonReply(200, { ...head, choices: [{ text, index: 0, ...ENDED }], usage: NO_USAGE })
  }
  return chunked(message, head, [{ text, index: 0, ...OPEN }, { text: '', index: 0, ...ENDED }])
}

const OPEN = { logprobs: null, finish_reason: null }
const ENDED = { logprobs: null, finish_reason: 'stop' }

function headOf ({ model, context }: AssistantMessage, prefix: string) {
  return { id: `${prefix}-${context.newId()}`, created: Math.floor(context.now / 1000), model }
}

/** One choice a chunk; whoever asks for the usage gets it in a chunk of its own, as the API has it. */
function chunked ({ body }: AssistantMessage, head: object, choices: readonly object[]): Reply {
  const usage = wantsUsage(body['stream_options'])
  const noUsage = usage ? { usage: null } : {}
  const events = choices.map((choice) => streamEvent({ ...head, choices: [choice], ...noUsage }))
  if (usage) events.push(streamEvent({ ...head, choices: [], usage: NO_USAGE }))
  return streamReply([...events, DONE])
}

function wantsUsage (options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
}
