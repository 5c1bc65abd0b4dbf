import { openClassifier } from '../../src/classifier/classifier.js'
import type { DoormanDocument } from '../../src/config/doorman-schema.js'
import type { DoormanMeters, DoormanRules } from '../../src/doorman/contract.js'
import { createDoorman, type Doorman } from '../../src/doorman/doorman.js'
import { compileDoorman } from '../../src/policy/compile-doorman.js'
import { createMemoryCounters } from '../../src/stores/memory/counters.js'
import type { Teardown } from '../helpers/backends.js'
import { testClock, type TestClock } from '../helpers/product.js'

/** What `defaults.yaml` has below every policy. */
const DEFAULTS: DoormanDocument = {
  enabled: 'true',
  rewrite: '{alarm} {truncated}',
  alarm: 'Alarm',
  truncate: 100,
  scope: 'all',
  rememberRewritten: 86_400_000,
  header: 'x-portcullis-class',
  context: 5,
  remember: 3_600_000,
  maxLength: 16_384,
  deadline: 3_000,
  retries: 1,
  concurrency: 8,
  cache: 600_000,
  suspensions: [300_000],
  resetAfter: 3_600_000,
}

/** The policy's `doorman` as written, compiled. */
export function rulesOf (url: string, written: DoormanDocument = {}): DoormanRules {
  const rules = compileDoorman({ doorman: { ...DEFAULTS, url, ...written } }, (path, found, expected) => {
    throw new Error(`${path.join('.')}: found ${found}, expected ${expected}`)
  })
  if (rules === undefined) throw new Error('he is off')
  return rules
}

export interface Told {
  readonly calls: string[]
  readonly tokens: number[]
  readonly left: Partial<Record<'requests' | 'tokens', number>>
  readonly changes: boolean[]
  hits: number
}

export interface Rig {
  readonly doorman: Doorman
  readonly clock: TestClock
  readonly told: Told
}

/** A doorman with a real HTTP client, counters in memory, and a clock of the test's own. */
export function createRig (t: Teardown, nonce?: () => string): Rig {
  const clock = testClock()
  const told: Told = { calls: [], tokens: [], left: {}, changes: [], hits: 0 }
  const meters: DoormanMeters = {
    outcome: () => {},
    waited: () => {},
    call: (result) => { told.calls.push(result) },
    cacheHit: () => { told.hits++ },
    tokens: (count) => { told.tokens.push(count) },
    budgetLeft: (of, left) => { told.left[of] = left },
    away: () => {},
  }
  const never = () => { throw new Error('nothing is scored or leased here') }
  const doorman = createDoorman({
    counters: createMemoryCounters({ scores: { book: never }, leases: { take: never } }),
    clock,
    meters,
    connect: (endpoint) => openClassifier(endpoint, { maxTokens: 64 }),
    onChange: (isAway) => { told.changes.push(isAway) },
    onStoreError: (error) => { throw error },
    random: () => 0.5,
    ...nonce !== undefined && { nonce },
  })
  t.teardown(() => doorman.close())
  return { doorman, clock, told }
}

/** What is asked of him where nothing was said before. */
export const saying = (text: string) => ({ text, quoted: [], context: [] })
