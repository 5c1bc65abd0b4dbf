import type { Verdict } from '../verdict/verdict.js'
import type { AssistantMessage } from './assistant-message.js'
import { echoOf } from './bodies.js'
import type { Dialect, Reply } from './contract.js'
import { messageOf } from './details.js'
import { chatCompletion, textCompletion } from './openai-completions.js'
import { modelResponse } from './openai-responses.js'
import { openai } from './openai.js'

const LONGEST_MODEL = 200
/** Ends of the paths on which somebody reads an answer. Backends mount them at `/v1`, `/api`, `/openai`, … */
const CHATS: readonly (readonly [end: string, render: (message: AssistantMessage) => Reply])[] = [
  ['/chat/completions', chatCompletion],
  ['/completions', textCompletion],
  ['/responses', modelResponse],
]

/**
 * A refusal as an answer of the assistant's, for programs that show errors badly. An error all the same (dialect
 * `openai`) where nobody would read an answer (embeddings, lists of models), where the fault is ours or the backend's
 * (it must not pass for the model's words, and clients try again), and where the body was not read, since it says
 * whether a stream is expected: an error is understood either way.
 */
export const openaiMessage: Dialect = {
  readsBody: isAnswerable,
  render: (verdict, context) => {
    const chat = isAnswerable(verdict) && !context.upgrade ? chatOf(context.path) : undefined
    const { body } = context
    if (chat === undefined || body === undefined) return openai.render(verdict, context)
    return chat({
      text: messageOf(verdict), model: echoOf(body['model'], LONGEST_MODEL) ?? 'unknown', body, context,
    })
  },
}

function isAnswerable (verdict: Verdict): boolean {
  return verdict.kind !== 'fault'
}

function chatOf (path: string): ((message: AssistantMessage) => Reply) | undefined {
  const bare = path.endsWith('/') ? path.slice(0, -1) : path
  return CHATS.find(([end]) => bare.endsWith(end))?.[1]
}
