import fc from 'fast-check'
import t from 'tap'
import {
  chargeWindow, EXACT_SLIDING_MAX, refundWindow, standingOf, type WindowLimiter, type WindowState,
} from '../../src/limits/window.js'
import {
  naiveFixedWindow, naiveGcra, naiveSlidingWindow, naiveWeighted, type NaiveModel, type NaiveRule,
} from './naive.js'

const START = Date.parse('2026-11-21T12:00:00Z')
const RUNS = { numRuns: 300 }

/** A limiter in use: what a store does with the pure functions. */
function counting (limiter: WindowLimiter) {
  let state: WindowState | undefined
  return {
    look: (now: number, cost = 1) => standingOf(limiter, state, { cost, now }),
    ask (now: number, cost = 1): boolean {
      if (standingOf(limiter, state, { cost, now }).remaining < cost) return false
      state = chargeWindow(limiter, state, { cost, now })
      return true
    },
    refund (now: number, cost = 1) { if (state !== undefined) state = refundWindow(limiter, state, { cost, now }) },
    copy: () => structuredClone(state),
    restore (kept: WindowState | undefined) { state = kept },
  }
}

const between = (min: number, max: number) => fc.integer({ min, max })
const rules = fc.record({ max: between(1, 12), windowMs: between(1, 5000), burst: between(1, 12) })
/** Bursts within a millisecond, small steps, and steps beyond the window. */
const steps = fc.array(fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 400 }) },
  { weight: 1, arbitrary: fc.integer({ min: 400, max: 12_000 }) }
), { maxLength: 120 })

/** Above it a sliding window is no log. */
const LARGE = EXACT_SLIDING_MAX + 1

const cases: readonly { name: string, algorithm: WindowLimiter['algorithm'], naive: NaiveModel }[] = [
  { name: 'fixed window', algorithm: 'fixed-window', naive: naiveFixedWindow },
  { name: 'sliding window', algorithm: 'sliding-window', naive: naiveSlidingWindow },
  { name: 'GCRA', algorithm: 'gcra', naive: naiveGcra },
]

for (const { name, algorithm, naive } of cases) {
  t.test(`${name}: admits exactly what the naive model admits`, async () => {
    fc.assert(fc.property(rules, steps, (rule, gaps) => {
      compare(counting({ ...rule, algorithm }), naive(rule), gaps)
    }), RUNS)
  })

  t.test(`${name}: retryAt is the first instant at which one more passes; a look changes nothing`, async () => {
    fc.assert(fc.property(rules, steps, (rule, gaps) => {
      checkRetryAt({ ...rule, algorithm }, gaps)
      for (const cost of [2, 5, 12]) checkRetryAt({ ...rule, algorithm }, gaps, cost)
    }), RUNS)
  })

  t.test(`${name}: a cost of n is n places at once, all or none; so is its refund`, async () => {
    fc.assert(fc.property(rules, steps, between(1, 12), (rule, gaps, pick) => {
      checkCosts({ ...rule, algorithm }, gaps, pick)
    }), RUNS)
  })

  t.test(`${name}: a refund undoes a charge`, async (t) => {
    fc.assert(fc.property(rules, steps, fc.integer({ min: 0, max: 300 }), (rule, gaps, later) => {
      const limiter = counting({ ...rule, algorithm })
      let now = START
      for (const gap of gaps) limiter.ask(now += gap)
      const before = limiter.look(now).remaining
      if (before === 0) return
      limiter.ask(now)
      limiter.refund(now)
      if (limiter.look(now).remaining !== before) throw new Error('the place did not come back')
      if (limiter.look(now + later).remaining < before) throw new Error('it is missing later')
    }), RUNS)
    t.equal(counting({ max: 1, windowMs: 10, burst: 1, algorithm }).look(START).remaining, 1)
  })

  t.test(`${name}: a clock that jumps back a day locks nobody out for longer than two windows`, async (t) => {
    const limiter = counting({ max: 2, windowMs: 60_000, burst: 2, algorithm })
    limiter.ask(START)
    limiter.ask(START)
    t.equal(limiter.ask(START), false)
    t.equal(limiter.ask(START - 1), false, 'a millisecond back gives nothing away')
    t.equal(limiter.ask(START - 86_400_000), true)
  })
}

t.test('large sliding window: admits exactly what the weighted model admits, and names the instant', async () => {
  const large = fc.record({ max: between(LARGE, LARGE + 400), windowMs: between(1, 5000), burst: fc.constant(1) })
  const waves = fc.array(fc.tuple(between(0, 4000), between(1, 900)), { maxLength: 8 })
  fc.assert(fc.property(large, waves, (rule, sequence) => {
    const gaps = sequence.flatMap(([gap, hits]) => [gap, ...new Array<number>(hits).fill(0)])
    compare(counting({ ...rule, algorithm: 'sliding-window' }), naiveWeighted(rule), gaps)
    checkRetryAt({ ...rule, algorithm: 'sliding-window' }, gaps.filter((gap) => gap > 0))
    checkRetryAt({ ...rule, algorithm: 'sliding-window' }, gaps.filter((gap) => gap > 0), 300)
    checkCosts({ ...rule, algorithm: 'sliding-window' }, sequence.map(([gap]) => gap), 300)
  }), { numRuns: 25 })
})

t.test('large sliding window: errs within its bound, less than twice max in any window', async (t) => {
  const rule = { max: 2000, windowMs: 60_000, burst: 1 }
  const limiter = counting({ ...rule, algorithm: 'sliding-window' })
  limiter.ask(START)
  const passed: number[] = [START]
  // The worst: all at the end of one window, and as many as possible at the end of the next.
  for (let now = START + 59_990; now < START + 119_999; now += 10) {
    while (limiter.ask(now)) passed.push(now)
  }
  const worst = passed.filter((at) => at > START + 59_980 && at <= START + 119_980).length
  t.ok(worst < 2 * rule.max, `${worst} passed`)
  t.ok(worst > rule.max, 'the bound is no empty word')
})

t.test('GCRA gives places back one by one and lets a burst pass at once', async (t) => {
  const limiter = counting({ max: 60, windowMs: 60_000, burst: 10, algorithm: 'gcra' })
  for (let i = 0; i < 10; i++) t.equal(limiter.ask(START), true)
  t.match(limiter.look(START), { remaining: 0, retryAt: START + 1000, resetAt: START + 10_000 })
  t.equal(limiter.ask(START + 999), false)
  t.equal(limiter.ask(START + 1000), true)
  t.equal(limiter.ask(START + 1000), false)
})

t.test('a state of another algorithm, left by a policy before, reads as a whole bucket', async (t) => {
  const before = counting({ max: 1, windowMs: 60_000, burst: 1, algorithm: 'fixed-window' })
  before.ask(START)
  for (const algorithm of ['sliding-window', 'gcra'] as const) {
    const after = counting({ max: 1, windowMs: 60_000, burst: 1, algorithm })
    after.restore(before.copy())
    t.equal(after.ask(START), true)
    t.equal(after.ask(START), false)
  }
})

type Counting = ReturnType<typeof counting>

function compare (limiter: Counting, model: (now: number) => boolean, gaps: readonly number[]): void {
  let now = START
  for (const gap of gaps) {
    now += gap
    const expected = model(now)
    if (limiter.ask(now) !== expected) throw new Error(`at +${now - START} the model says ${expected}`)
  }
}

/** What fits in a whole bucket. */
function capacityOf ({ algorithm, burst, max }: NaiveRule & WindowLimiter): number {
  return algorithm === 'gcra' ? burst : max
}

/** Requests of many costs, each asked as one and, of another limiter in the same state, place by place. */
function checkCosts (rule: NaiveRule & WindowLimiter, gaps: readonly number[], pick: number): void {
  const [whole, single] = [counting(rule), counting(rule)]
  let now = START
  for (const [index, gap] of gaps.entries()) {
    now += gap
    const cost = 1 + (index * pick) % (capacityOf(rule) + 1)
    single.restore(whole.copy())
    const passed = Array.from({ length: cost }, () => single.ask(now))
    if (whole.ask(now, cost) !== passed.every(Boolean)) throw new Error(`${cost} at +${now - START}`)
    if (!passed.every(Boolean)) continue
    if (whole.look(now).remaining !== single.look(now).remaining) throw new Error('other places were taken')
    if (index % 3 > 0) continue
    whole.refund(now, cost)
    passed.forEach(() => single.refund(now))
    if (whole.look(now).remaining !== single.look(now).remaining) throw new Error('other places came back')
  }
}

/** @param dear a cost, where a whole bucket holds so many */
function checkRetryAt (rule: NaiveRule & WindowLimiter, gaps: readonly number[], dear = 1): void {
  const limiter = counting(rule)
  const cost = Math.min(dear, capacityOf(rule))
  let now = START
  for (const gap of gaps) {
    limiter.ask(now += gap)
    const kept = JSON.stringify(limiter.copy())
    const { remaining, retryAt, resetAt } = limiter.look(now, dear)
    if (JSON.stringify(limiter.copy()) !== kept) throw new Error('the look changed something')
    if (remaining >= cost) continue
    if (limiter.look(retryAt - 1).remaining >= cost) throw new Error('retryAt is late')
    if (limiter.look(retryAt).remaining < cost) throw new Error('retryAt is early')
    if (limiter.look(resetAt).remaining !== capacityOf(rule)) throw new Error('resetAt is early')
  }
}
