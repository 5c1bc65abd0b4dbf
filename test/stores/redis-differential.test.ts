import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { SlotRequest } from '../../src/concurrency/contract.js'
import type { Algorithm, Hit } from '../../src/limits/contract.js'
import type { WindowState } from '../../src/limits/window.js'
import { BucketTable } from '../../src/stores/memory/bucket-table.js'
import { createMemoryCounters } from '../../src/stores/memory/counters.js'
import { createMemoryLeases } from '../../src/stores/memory/leases.js'
import { createScoresInProcess } from '../../src/stores/memory/scores.js'
import { breachFor, hitOf, leaseOf, limiterOf, questionOf, slotOf } from '../contract/limiters.js'
import { startRedis } from '../helpers/redis.js'
import { DAY, NOW, openRedis, type RedisStoresUnderTest } from './redis-rig.js'

const RUNS = 150
const WINDOW_MS = 60_000

/** Forgets nothing: what the clock has left behind counts again when it steps back, as in Redis. */
class LastingTable extends BucketTable {
  readonly #states = new Map<string, WindowState>()

  constructor () {
    super(1)
  }

  override get (key: string): WindowState | undefined {
    return this.#states.get(key)
  }

  override set (key: string, state: WindowState): void {
    this.#states.set(key, state)
  }
}

const shape = fc.record({
  algorithm: fc.constantFrom<Algorithm>('fixed-window', 'sliding-window', 'gcra'),
  /** A reload may change them between two requests. */
  max: fc.constantFrom(0, 1, 2, 5, 7),
  isLarge: fc.boolean(),
  burst: fc.integer({ min: 1, max: 6 }),
  windowMs: fc.constantFrom(WINDOW_MS, WINDOW_MS / 4, 777),
  observe: fc.boolean(),
  tokens: fc.constantFrom(undefined, { maxTokens: 10, includeUsage: true }),
})
const hit = fc.record({
  shape,
  user: fc.boolean(),
  cost: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 9 }) }),
  peek: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  score: fc.constantFrom(undefined, 0, 0.1, 1, 7),
})
const step = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: 0, max: WINDOW_MS / 8 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 * WINDOW_MS }) },
  { weight: 2, arbitrary: fc.integer({ min: -WINDOW_MS - WINDOW_MS / 8, max: 0 }) })
const action = fc.record({
  how: fc.constantFrom('decide', 'decide', 'decide', 'charge', 'refund'),
  hits: fc.array(hit, { minLength: 1, maxLength: 4 }),
  step,
  slot: fc.constantFrom(undefined, 1, 2),
  /** Of a refund: how long ago it was taken, and what was left. */
  taken: fc.option(fc.record({
    ago: fc.integer({ min: 0, max: 3 * WINDOW_MS }), remaining: fc.integer({ min: 0, max: 2000 }),
  })),
})
type HitShape = typeof hit extends fc.Arbitrary<infer T> ? T : never
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

t.test('whatever is asked, and however the clock steps, Redis answers what memory answers', async (t) => {
  const redis = await startRedis(t)
  const stores = await openRedis(t, redis)
  let runs = 0
  await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 40 }), (actions) => {
    return compare({ stores, run: runs++, actions })
  }), { numRuns: RUNS })
  t.ok(runs >= RUNS)
})

interface Comparison {
  readonly stores: Pick<RedisStoresUnderTest, 'counters'>
  /** Its subjects are nobody else's. */
  readonly run: number
  readonly actions: readonly Action[]
}

async function compare ({ stores: { counters }, run, actions }: Comparison): Promise<void> {
  let now = NOW
  const scores = createScoresInProcess({ clock: () => now, retentionMs: 30 * DAY })
  const leases = createMemoryLeases({ scores })
  const memory = createMemoryCounters({ scores, leases, persisted: new LastingTable() })
  for (const [place, { how, hits, step, slot, taken: late }] of actions.entries()) {
    now += step
    const asked = hits.map((one) => hitIn(run, one))
    if (how === 'decide') {
      const question = questionOf(asked, now, slot === undefined ? [] : [slotIn(run, place, slot)])
      assert.deepEqual(await counters.decide(question), memory.decide(question))
    } else {
      const [{ limiter, bucket, subject, cost }] = asked as [Hit]
      // Where nothing passes Redis does not count, which shows only when a reload raises the limit.
      if (limiter.max === 0) continue
      const taken = how === 'refund' && late !== null ? { taken: { at: now - late.ago, remaining: late.remaining } } : {}
      await counters[how]({ limiter, bucket, subject, cost, now, ...taken })
      memory[how]({ limiter, bucket, subject, cost, now, ...taken })
    }
  }
}

function hitIn (run: number, { shape, user, cost, peek, score }: HitShape): Hit {
  const { isLarge, max, observe, ...rest } = shape
  const subject = `${user ? 'user' : 'ip'}:${run}`
  const limiter = limiterOf(`${rest.algorithm}-${isLarge}-${rest.tokens !== undefined}`, {
    ...rest, observe, persist: true, max: isLarge ? 1001 + 300 * max : max,
  })
  const breach = score === undefined
    ? undefined
    : breachFor(`user:${run}`, { type: rest.algorithm, score, shadow: observe, interval: 3, scope: user ? 'type' : 'total' })
  return hitOf(limiter, subject, { cost: isLarge ? cost * 250 : cost, peek, breach })
}

function slotIn (run: number, place: number, max: number): SlotRequest {
  const holder = `user:${run}`
  const breach = breachFor(holder, { type: 'concurrent', scope: 'total', interval: 3 })
  return slotOf(leaseOf(`l${place}`, { holder }), max, { leaseMs: WINDOW_MS / 2, breach })
}
