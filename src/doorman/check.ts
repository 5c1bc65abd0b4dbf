/** Asks the doorman what sort of message this is, and does what the policy says about it. */
import type { Check, Exchange } from '../exchange.js'
import { violationSubject } from '../identity/contract.js'
import type { Prompt } from '../prompt/contract.js'
import { extractQuotes, isSaid, promptOf } from '../prompt/prompt.js'
import { noteEdits } from '../rewriting/rewriting.js'
import { contextOf, readerOf, rememberForwarded } from './context.js'
import {
  FAILED, UNSURE,
  type CategoryRule, type Classification, type DoormanMeters, type DoormanRules, type DoormanUse, type JudgedMessage,
} from './contract.js'
import type { Doorman } from './doorman.js'
import type { Measures } from './measures.js'
import { isCut } from './question.js'
import { recall, type Recalled } from './recall.js'

export interface DoormanCheckOptions {
  readonly uses: readonly DoormanUse[]
  readonly doorman: Doorman
  readonly meters: Pick<DoormanMeters, 'outcome'>
  readonly measures: Measures
}

/**
 * Behind all other checks: what they refuse is not asked about, nor what costs nothing, says nothing, or comes from the
 * exempt. In observe mode messages are judged, unless another check would have refused them, and nothing is done. Never
 * rejects.
 */
export function createDoormanCheck (options: DoormanCheckOptions): Check {
  const runFrom = async (exchange: Exchange, index: number): ReturnType<typeof judge> => {
    const use = options.uses[index]
    if (use === undefined) return undefined
    return await judge(exchange, use, options) ?? await runFrom(exchange, index + 1)
  }
  return (exchange) => exchange.exempt || !exchange.isTrigger ? undefined : runFrom(exchange, 0)
}

async function judge (exchange: Exchange, use: DoormanUse, { doorman, meters, measures }: DoormanCheckOptions) {
  const { rules, prompt } = use
  if (use.observe && exchange.observed.length > 0) return undefined
  const recalled = await recall(exchange, use, doorman.rewritings)
  const { readings } = recalled
  const text = saidIn(promptOf(exchange, prompt, 'last'))
  const quoted = [...new Set(extractQuotes(exchange, prompt, readerOf(readings)))].filter(isSaid)
  if (text === '' && quoted.length === 0) {
    noteEdits(exchange, recalled.older)
    return undefined
  }
  const { memory } = doorman
  const message = { text, quoted, context: contextOf(exchange, use, { memory, readings }) }
  const subject = violationSubject(exchange.identity)
  const answer = await whilePresent(exchange, (gone) => doorman.classify(message, rules, { gone, subject }))
  const found = orAsBefore(orUnsure(answer, message, rules), recalled)
  const category = categoryOf(found, rules)
  const reason = found.kind === 'failed' ? found.reason : undefined
  meters.outcome({ category: category.name, reason: reason ?? '', mode: use.observe ? 'observe' : 'enforce' })
  if (recalled.known !== undefined && found.kind === 'category' && isHarmless(category)) {
    doorman.rewritings.forget(recalled.known)
  }
  const { verdict, forwarded } = await measures.take(exchange, { use, category, reason, text: text === '' ? quoted.join('\n') : text, recalled })
  if (verdict === undefined) rememberForwarded(exchange, use, { memory, text: forwarded })
  return verdict
}

/** Of what was not shown nobody can say that it is harmless. */
function orUnsure (answer: Classification, message: JudgedMessage, rules: DoormanRules): Classification {
  const isHidden = answer.kind === 'category' && isCut(message, rules) && isHarmless(categoryOf(answer, rules))
  return isHidden ? { kind: 'unsure' } : answer
}

/** Where nobody can say what it is, what was said of the same words before still holds. */
function orAsBefore (answer: Classification, { known }: Recalled): Classification {
  const isGone = answer.kind === 'failed' && answer.reason === 'gone'
  if (answer.kind === 'category' || isGone || known === undefined) return answer
  return { kind: 'category', name: known.category }
}

function isHarmless ({ action }: CategoryRule): boolean {
  return action === 'pass' || action === 'mark'
}

/** What stands in two places of the body was said once. */
function saidIn (prompt: Prompt): string {
  return [...new Set(prompt.flat().filter(isSaid))].join('\n')
}

function categoryOf (found: Classification, { categories }: DoormanRules): CategoryRule {
  const name = found.kind === 'category' ? found.name : found.kind === 'unsure' ? UNSURE : FAILED
  // Each has one.
  return categories.get(name) as CategoryRule
}

/** Nobody is asked any more for a client that has left. */
async function whilePresent<T> ({ connection }: Exchange, ask: (gone: AbortSignal) => Promise<T>): Promise<T> {
  const gone = new AbortController()
  const leave = () => gone.abort()
  if (connection.destroyed) leave()
  connection.once('close', leave)
  try {
    return await ask(gone.signal)
  } finally {
    connection.off('close', leave)
  }
}
