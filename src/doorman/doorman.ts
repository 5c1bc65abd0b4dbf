/** The room's door: what sort of message is this? */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Clock } from '../clock.js'
import type { CounterStore } from '../limits/contract.js'
import { createAnswers } from './answers.js'
import type { Breaker } from './breaker.js'
import { createBudget } from './budget.js'
import type { Classifier } from './classifier-contract.js'
import type { Asker, Classification, DoormanEndpoint, DoormanMeters, DoormanRules, JudgedMessage } from './contract.js'
import { inquire } from './inquiry.js'
import { createLines } from './line.js'
import { createMemory, type Memory } from './memory.js'
import { createQuestion } from './question.js'
import { createRewritings, type Rewritings } from './rewritings.js'
import { createTurnstile } from './turnstile.js'
import { withinDeadline } from './within-deadline.js'

export { createDoormanCheck } from './check.js'
export type {
  AskClassifier, Classifier, ClassifierAnswer, ClassifierFault, ClassifierQuestion,
} from './classifier-contract.js'
export { MOST_ANSWER_TOKENS } from './inquiry.js'
export { createMeasures } from './measures.js'

/** Those that wait behind the ones under way; more would only wait for their deadline. */
const MOST_WAITING = 200
/** Of its deadline: an answer that does not come in so much says something of the classifier. */
const ENOUGH_TIME = 0.5
const NONCE_BYTES = 16
const SECRET_BYTES = 32

export interface DoormanOptions {
  readonly counters: CounterStore
  readonly clock: Clock
  readonly meters: DoormanMeters
  /** Opens a classifier; nothing is asked yet. */
  connect (endpoint: DoormanEndpoint): Classifier
  /** The classifier of the endpoint in use failed again and again, or is back. */
  onChange (isAway: boolean): void
  onStoreError (error: Error): void
  /** From 0 to 1; `Math.random` when absent. */
  random? (): number
  /** What separates data from instructions, unguessable; made by the system when absent. */
  nonce? (): string
}

/** Outlives policies: what it has learnt, what it is doing, and whether there is anybody to ask. */
export interface Doorman {
  /** Never rejects. Answers what is known already at once, without asking anybody. */
  classify (message: JudgedMessage, rules: DoormanRules, asker?: Asker): Promise<Classification>
  readonly memory: Memory
  readonly rewritings: Rewritings
  /** Never rejects. */
  close (): Promise<void>
}

export function createDoorman (options: DoormanOptions): Doorman {
  const { counters, clock, meters, random = Math.random, nonce = newNonce, onStoreError } = options
  const answers = createAnswers(randomBytes(SECRET_BYTES), clock)
  const budget = createBudget({ counters, clock, newId: randomUUID, meters, onStoreError })
  const turnstile = createTurnstile(MOST_WAITING)
  const lines = createLines(options)

  const known = (key: string): Classification | undefined => {
    const name = answers.find(key)
    if (name === undefined) return undefined
    meters.cacheHit()
    return { kind: 'category', name }
  }

  async function ask ({ key, message, rules, subject }: Asked, signal: AbortSignal): Promise<Classification> {
    const { classifier, breaker } = lines.lineTo(rules.endpoint)
    if (!breaker.admits()) return { kind: 'failed', reason: 'away' }
    const begun = performance.now()
    const leave = await turnstile.enter(rules.concurrency, { signal, subject })
    if (typeof leave === 'string') {
      breaker.dropped()
      return { kind: 'failed', reason: 'busy' }
    }
    try {
      // Somebody who came with the same words may have been answered meanwhile.
      const hadTime = performance.now() - begun < rules.deadlineMs * ENOUGH_TIME
      const question = createQuestion(message, rules, nonce())
      const found = known(key) ?? await inquire(question, rules, { classifier, budget, meters, random, signal })
      if (found.kind === 'category') answers.keep(key, found.name, rules.cacheMs)
      tell(breaker, found, { signal, hadTime })
      return found
    } finally {
      leave()
    }
  }

  return {
    memory: createMemory(clock),
    rewritings: createRewritings(clock),
    async classify (message, rules, { gone, subject } = {}) {
      const key = answers.keyOf(message, rules)
      const answer = known(key)
      if (answer !== undefined) return answer
      const begun = performance.now()
      const asked: Asked = { key, message, rules, subject }
      const found = await withinDeadline(rules.deadlineMs, gone, (signal) => ask(asked, signal))
      meters.waited(performance.now() - begun)
      return found
    },
    close: lines.close,
  }
}

interface Asked {
  /** What the message is known by. */
  readonly key: string
  readonly message: JudgedMessage
  readonly rules: DoormanRules
  readonly subject: string | undefined
}

interface Ended {
  readonly signal: AbortSignal
  /** It did not spend its deadline in the line. */
  readonly hadTime: boolean
}

/** What the question's end says of the classifier. */
function tell (breaker: Breaker, found: Classification, { signal, hadTime }: Ended): void {
  if (found.kind !== 'failed') breaker.succeeded()
  else if (found.reason === 'budget' || signal.reason === 'gone' || (signal.aborted && !hadTime)) breaker.dropped()
  else breaker.failed()
}

function newNonce (): string {
  return randomBytes(NONCE_BYTES).toString('hex')
}
