import type { AssistantMessage } from './assistant-message.js'
import { echoOf, jsonReply, streamEvent, streamReply } from './bodies.js'
import type { Reply } from './contract.js'

const LONGEST_ID = 200
/** No model was asked. */
const NO_USAGE = {
  input_tokens: 0,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 0,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 0,
}
/** What the API says of every response and the refused request had no say in. */
const DEFAULTS = {
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  metadata: {},
  parallel_tool_calls: true,
  reasoning: { effort: null, summary: null },
  service_tier: 'default',
  store: false,
  temperature: 1,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
  truncation: 'disabled',
  user: null,
}

/** The message as an answer of `POST /v1/responses`: an object, or its event stream where the request wants one. */
export function modelResponse (message: AssistantMessage): Reply {
  const part = { type: 'output_text', annotations: [], logprobs: [], text: message.text }
  const item = {
    type: 'message', id: `msg_${message.context.newId()}`, status: 'completed', role: 'assistant', content: [part],
  }
  const head = headOf(message)
  const open = { ...head, status: 'in_progress', output: [], usage: null }
  const done = { ...head, status: 'completed', output: [item], usage: NO_USAGE }
  if (message.body['stream'] !== true) return jsonReply(200, done)

  const place = { item_id: item.id, output_index: 0, content_index: 0 }
  const events = [
    { type: 'response.created', response: open },
    { type: 'response.in_progress', response: open },
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
    { type: 'response.output_text.delta', ...place, delta: part.text, logprobs: [] },
    { type: 'response.output_text.done', ...place, text: part.text, logprobs: [] },
    { type: 'response.content_part.done', ...place, part },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: done },
  ]
  return streamReply(events.map((event, at) => streamEvent({ ...event, sequence_number: at }, event.type)))
}

/**
 * A client that goes on with `previous_response_id` names the answer that it got. The backend does not know ours, so
 * it carries the id of the answer before: the conversation goes on from there, without the refused message.
 */
function headOf ({ model, body, context }: AssistantMessage) {
  const previous = echoOf(body['previous_response_id'], LONGEST_ID)
  return {
    id: previous ?? `resp_${context.newId()}`,
    object: 'response',
    created_at: Math.floor(context.now / 1000),
    model,
    previous_response_id: null,
    ...DEFAULTS,
  }
}
