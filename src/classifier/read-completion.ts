import { memberOf } from '../json-value.js'
import { parseJson } from '../parse-json.js'

export interface Completion {
  /** What the assistant says; undefined: it says nothing whole. */
  readonly text: string | undefined
  /** What it cost, as the server says. */
  readonly tokens: number | undefined
}

/** The ends of a message that is not all there, or was not meant as an answer. */
const CUT_SHORT: ReadonlySet<unknown> = new Set(['length', 'content_filter', 'tool_calls', 'function_call'])
/** A cost that is larger is a mistake of the server's, and would spend the budget at once. */
const MOST_TOKENS = 1_000_000

/** The answer of `POST /chat/completions`: the one choice, of an assistant, said to its end and not refused. */
export function readCompletion (body: string): Completion {
  const answer = parseJson(body)
  const choices = memberOf(answer, 'choices')
  const tokens = tokensOf(memberOf(answer, 'usage'))
  if (!Array.isArray(choices) || choices.length !== 1) return { text: undefined, tokens }
  const [choice] = choices as unknown[]
  const message = memberOf(choice, 'message')
  const content = memberOf(message, 'content')
  const refusal = memberOf(message, 'refusal') ?? ''
  const isWhole = typeof content === 'string' && refusal === '' && !CUT_SHORT.has(memberOf(choice, 'finish_reason'))
  return { text: isWhole ? content : undefined, tokens }
}

function tokensOf (usage: unknown): number | undefined {
  const total = memberOf(usage, 'total_tokens')
  if (isCount(total)) return total
  const [prompt, completion] = [memberOf(usage, 'prompt_tokens'), memberOf(usage, 'completion_tokens')]
  return isCount(prompt) && isCount(completion) ? prompt + completion : undefined
}

function isCount (value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MOST_TOKENS
}
