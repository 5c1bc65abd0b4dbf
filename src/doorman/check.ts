/** Asks the doorman what sort of message this is, and does what the policy says about it. */
import type { Check, Exchange } from '../exchange.js'
import type { Prompt } from '../prompt/contract.js'
import { promptOf } from '../prompt/prompt.js'
import { contextOf, rememberForwarded } from './context.js'
import { FAILED, UNSURE, type CategoryRule, type Classification, type DoormanMeters, type DoormanUse } from './contract.js'
import type { Doorman } from './doorman.js'
import type { Measures } from './measures.js'

export interface DoormanCheckOptions {
  readonly uses: readonly DoormanUse[]
  readonly doorman: Doorman
  readonly meters: Pick<DoormanMeters, 'outcome'>
  readonly measures: Measures
}

/**
 * Behind all other checks: what they refuse is not asked about, nor what costs nothing, says nothing, or comes from the
 * exempt. In observe mode messages are judged, and nothing is done. Never rejects.
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
  const text = saidIn(promptOf(exchange, prompt, 'last'))
  if (text.trim() === '') return undefined
  const message = { text, context: contextOf(exchange, use, doorman.memory) }
  const found = await whilePresent(exchange, (gone) => doorman.classify(message, rules, gone))
  const category = rules.categories.get(nameOf(found)) as CategoryRule
  meters.outcome({
    category: category.name,
    reason: found.kind === 'failed' ? found.reason : '',
    mode: use.observe ? 'observe' : 'enforce',
  })
  const { verdict, forwarded } = await measures.take(exchange, { use, category, text })
  if (verdict === undefined) rememberForwarded(exchange, use, { memory: doorman.memory, text: forwarded })
  return verdict
}

/** What stands in two places of the body was said once. */
function saidIn (prompt: Prompt): string {
  return [...new Set(prompt.flat())].join('\n')
}

function nameOf (found: Classification): string {
  if (found.kind === 'category') return found.name
  return found.kind === 'unsure' ? UNSURE : FAILED
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
