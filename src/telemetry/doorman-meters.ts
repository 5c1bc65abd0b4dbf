import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { DoormanMeters } from '../doorman/contract.js'

/** Seconds: a small model nearby, and a large one that thinks until the deadline. */
const WAIT_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60]

/** What the doorman says, and what it costs. */
export function createDoormanMeters (registry: Registry): DoormanMeters {
  const { outcomes, waits, calls, hits, tokens, left, away } = createMeters([registry])
  return {
    outcome: (labels) => outcomes.inc({ ...labels }),
    waited: (durationMs) => waits.observe(durationMs / 1000),
    call: (result) => calls.inc({ result }),
    cacheHit: () => hits.inc(),
    tokens: (count) => tokens.inc(count),
    budgetLeft: (of, count) => left.set({ of }, count),
    away: (isAway) => away.set(isAway ? 1 : 0),
  }
}

function createMeters (registers: Registry[]) {
  return {
    outcomes: new Counter({
      name: 'portcullis_doorman_outcomes_total',
      help: 'Messages that the doorman judged, by category (unsure and failed included), reason of a failure, and mode',
      labelNames: ['category', 'reason', 'mode'],
      registers,
    }),
    waits: new Histogram({
      name: 'portcullis_doorman_wait_seconds',
      help: 'What messages waited for the doorman, those apart that he knew already',
      buckets: WAIT_BUCKETS,
      registers,
    }),
    calls: new Counter({
      name: 'portcullis_doorman_calls_total', help: 'Calls of the classifier, by result', labelNames: ['result'], registers,
    }),
    hits: new Counter({
      name: 'portcullis_doorman_cache_hits_total', help: 'Messages that the doorman knew already', registers,
    }),
    tokens: new Counter({
      name: 'portcullis_doorman_tokens_total', help: 'Tokens that the classifier reported as used', registers,
    }),
    left: new Gauge({
      name: 'portcullis_doorman_budget_left',
      help: 'What is left of the day\'s requests and tokens, as of the last call',
      labelNames: ['of'],
      aggregator: 'min',
      registers,
    }),
    away: new Gauge({
      name: 'portcullis_doorman_away',
      help: '1 while the classifier is left alone since it failed again and again',
      aggregator: 'max',
      registers,
    }),
  }
}
