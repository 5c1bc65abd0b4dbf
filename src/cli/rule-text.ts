import type { ContentCheck, ContentRules } from '../content/contract.js'
import { EACH, type PointerPattern } from '../json-pattern.js'
import type { Limiter } from '../limits/contract.js'
import type { OutcomeSign } from '../outcomes/contract.js'
import type { PromptRule } from '../prompt/contract.js'
import { durationText } from './duration-text.js'

/** What passes through a limiter, and of what: `40`, `100000 tokens`. */
export function maxText ({ max, tokens }: Pick<Limiter, 'max' | 'tokens'>): string {
  return tokens === undefined ? String(max) : `${max} tokens`
}

/** What a limiter of tokens takes of a request: `prompt and answer, 1000 for an answer without a cap; streams tell their usage`. */
function reserveText ({ maxTokens, includeUsage }: NonNullable<Limiter['tokens']>): string {
  return `tokens of prompt and answer, ${maxTokens} for an answer without a cap${includeUsage ? '; streams tell their usage' : ''}`
}

/** What a limiter counts: `all`, `guests`, `members`, `answers 401, 403`, `answers 401 to guests`, `all, after content`. */
export function countedText (
  { only, countStatus, after, tokens }: Pick<Limiter, 'only' | 'countStatus' | 'after' | 'tokens'>
): string {
  const late = after !== 'head' ? ', after content' : ''
  if (tokens !== undefined) return `${reserveText(tokens)}${only === undefined ? '' : ` (${only})`}${late}`
  if (countStatus.length === 0) return `${only ?? 'all'}${late}`
  return `answers ${countStatus.join(', ')}${only === undefined ? '' : ` to ${only}`}${late}`
}

/** How a limiter's refusal shows itself: `429`, `402 GUEST_LIMIT`, `429, limiter "submission"`, `429, suspends for 30m`. */
export function refusalText (
  { status, type, shownAs, suspend, drop }: Pick<Limiter, 'status' | 'type' | 'shownAs' | 'suspend' | 'drop'>
): string {
  return [
    type === undefined ? String(status) : `${status} ${type}`,
    ...shownAs === undefined ? [] : [`limiter "${shownAs}"`],
    ...suspend === undefined ? [] : [`suspends for ${durationText(suspend.durationMs)}`],
    ...drop === undefined ? [] : [dropText(drop)],
  ].join(', ')
}

/** `silent, told once per 1m` */
function dropText ({ warnEveryMs }: NonNullable<Limiter['drop']>): string {
  return warnEveryMs === 0 ? 'silent' : `silent, told once per ${durationText(warnEveryMs)}`
}

/** What follows when a check has something against a message: `suspends, from level 2`, `scores 5 for content_violation`. */
export function actionText ({ action, severity, violation, score }: ContentCheck): string {
  switch (action) {
    case 'refuse': return 'refuses'
    case 'suspend': return severity === undefined ? 'suspends' : `suspends, from level ${severity}`
    case 'score': return `refuses, scores ${score} for ${violation}`
    case 'flag': return 'flags'
  }
}

/** How long content suspends: `5m, 15m, 1h; back to the first after 1h of quiet`. */
export function suspensionsText ({ suspensionsMs, reset }: ContentRules): string {
  const { resetAfterMs, resetOn } = reset
  const end = resetOn === 'quiet' ? 'of quiet' : 'of quiet and a message that passes'
  return `${suspensionsMs.map(durationText).join(', ')}; back to the first after ${durationText(resetAfterMs)} ${end}`
}

/** Where prompts stand: `/text, the conversation at /messages, field prompt`. */
export function promptText ({ texts, conversations, quotes, rest, fields }: PromptRule): string {
  return [
    ...texts.map(pointerText),
    ...conversations.map(({ list }) => `the conversation at ${pointerText(list)}`),
    ...quotes.map((pointer) => `quotes at ${pointerText(pointer)}`),
    ...rest.map((pointer) => `instructions at ${pointerText(pointer)}`),
    ...fields.map((field) => `field ${field}`),
  ].join(', ')
}

/** As it is written in a policy. */
export function pointerText (pointer: PointerPattern): string {
  return pointer.map((part) => `/${part === EACH ? '*' : part}`).join('')
}

/** By what an outcome knows its answer: `status 200, event error, /text "Illegal model request"`. */
export function signText ({ status, event, value }: OutcomeSign): string {
  return [
    ...status.length === 0 ? [] : [`status ${status.join(' or ')}`],
    ...event === undefined ? [] : [`event ${event}`],
    ...value === undefined ? [] : [`/${value.pointer.join('/')} ${JSON.stringify(value.equals)}`],
  ].join(', ')
}
