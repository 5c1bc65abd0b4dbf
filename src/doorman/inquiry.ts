/** One question, asked until it is answered, until it cannot be, or until nobody waits any more. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Budget } from './budget.js'
import type { Classifier, ClassifierAnswer, ClassifierFault, ClassifierQuestion } from './classifier-contract.js'
import type { Classification, DoormanMeters, DoormanRules, FailureReason } from './contract.js'
import { readAnswer } from './read-answer.js'

const FIRST_PAUSE_MS = 100
/** Whoever does not take a message says something of it, and nothing of himself. */
const DECLINED: Classification = { kind: 'unsure' }
/** Of one token in UTF-16 units, and what an answer may take: as much as is asked for. */
const UNITS_IN_TOKEN = 3
export const MOST_ANSWER_TOKENS = 64

export interface Inquiry {
  readonly classifier: Classifier
  readonly budget: Budget
  readonly meters: DoormanMeters
  /** From 0 to 1. */
  random (): number
}

/** @param signal the deadline, or the client's leaving: what is answered then means nothing */
export async function inquire (
  question: ClassifierQuestion, rules: DoormanRules, { signal, ...inquiry }: Inquiry & { readonly signal: AbortSignal }
): Promise<Classification> {
  const { classifier, budget, meters, random } = inquiry
  let { ask } = classifier
  for (let attempt = 0; ;) {
    const spending = await budget.take(rules.budget, estimateOf(question))
    if (spending === undefined) return failed('budget')
    const answer = await ask(question, signal)
    meters.call(resultOf(answer, signal))
    // Nobody knows what a server has charged for what it was cut off from.
    const spent = answer.kind === 'answer' ? answer.tokens : isFree(answer.fault) && !signal.aborted ? 0 : undefined
    spending.settle(spent)
    if (answer.kind === 'answer') {
      if (answer.tokens !== undefined) meters.tokens(answer.tokens)
      return readAnswer(answer.text, rules.labels)
    }
    if (answer.fault === 'declined') {
      if (answer.otherwise === undefined) return DECLINED
      ask = answer.otherwise
      continue
    }
    const pauseMs = Math.max(answer.retryAfterMs ?? 0, FIRST_PAUSE_MS * 2 ** attempt * (0.5 + random() / 2))
    const isWorthIt = answer.isPassing && attempt < rules.retries && pauseMs < rules.deadlineMs
    if (!isWorthIt || !await pause(pauseMs, signal)) return failed(answer.fault)
    attempt++
  }
}

function resultOf (answer: ClassifierAnswer, { aborted }: AbortSignal): string {
  if (answer.kind === 'answer') return 'answer'
  return aborted ? 'aborted' : answer.fault
}

function isFree (fault: ClassifierFault): boolean {
  return fault !== 'cut' && fault !== 'server'
}

function estimateOf ({ instructions, data }: ClassifierQuestion): number {
  return Math.ceil((instructions.length + data.length) / UNITS_IN_TOKEN) + MOST_ANSWER_TOKENS
}

/** False: there is no time left. */
async function pause (ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal })
    return true
  } catch {
    return false
  }
}

function failed (reason: FailureReason): Classification {
  return { kind: 'failed', reason }
}
