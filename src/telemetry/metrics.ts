import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { Meter, Metrics } from './contract.js'
import { createDoormanMeters } from './doorman-meters.js'
import { valuesOf } from './sum-metrics.js'

/** Seconds. Chats answer in milliseconds when refused and in minutes when a model thinks. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

export interface MetricsOptions {
  /** Also tell of the process: CPU, memory, event loop. */
  readonly processMetrics?: boolean
}

/** A registry of its own, so that several gateways can live in one process. */
export function createMetrics ({ processMetrics = true }: MetricsOptions = {}): Metrics {
  const registry = new Registry()
  if (processMetrics) collectDefaultMetrics({ register: registry })
  const meters = createMeters(registry)
  return {
    request: (labels, durationMs) => {
      meters.requests.inc({ ...labels })
      meters.duration.observe({ route: labels.route }, durationMs / 1000)
    },
    violation: (type) => meters.violations.inc({ type }),
    flagged: (rule) => meters.flagged.inc({ rule }),
    tokens: (limiter, { reserved, settled }) => {
      meters.tokensReserved.inc({ limiter }, reserved)
      meters.tokensSettled.inc({ limiter }, settled)
    },
    banPlaced: (source) => meters.bansPlaced.inc({ source }),
    upstreamFault: (code) => meters.faults.inc({ code }),
    journalDropped: (count) => meters.dropped.inc(count),
    storeDegraded: (outcome) => meters.degraded.inc({ outcome }),
    storeDeadline: () => meters.deadlines.inc(),
    doorman: createDoormanMeters(registry),
    add: (meter) => register(registry, meter),
    render: () => registry.metrics(),
    snapshot: async () => valuesOf(await registry.getMetricsAsJSON()),
    contentType: registry.contentType,
  }
}

function createMeters (registry: Registry) {
  const registers = [registry]
  return {
    ...createStoreMeters(registers),
    ...createTokenMeters(registers),
    requests: new Counter({
      name: 'portcullis_requests_total',
      help: 'Requests answered, by route entry, outcome and mode',
      labelNames: ['route', 'verdict', 'mode'],
      registers,
    }),
    duration: new Histogram({
      name: 'portcullis_request_duration_seconds',
      help: 'From the head of a request to the end of its answer',
      labelNames: ['route'],
      buckets: DURATION_BUCKETS,
      registers,
    }),
    violations: new Counter({
      name: 'portcullis_violations_total', help: 'Violations booked, by type', labelNames: ['type'], registers,
    }),
    flagged: new Counter({
      name: 'portcullis_messages_flagged_total',
      help: 'Messages that a content check had something against and let pass, by check',
      labelNames: ['rule'],
      registers,
    }),
    bansPlaced: new Counter({
      name: 'portcullis_bans_placed_total', help: 'Bans placed, by source', labelNames: ['source'], registers,
    }),
    faults: new Counter({
      name: 'portcullis_upstream_faults_total',
      help: 'Requests that the backend gave no answer to, by kind',
      labelNames: ['code'],
      registers,
    }),
    dropped: new Counter({
      name: 'portcullis_journal_dropped_total', help: 'Journal lines that could not be kept', registers,
    }),
  }
}

function createTokenMeters (registers: Registry[]) {
  return {
    tokensReserved: new Counter({
      name: 'portcullis_tokens_reserved_total',
      help: 'Tokens that limiters reserved for requests that are settled by now',
      labelNames: ['limiter'],
      registers,
    }),
    tokensSettled: new Counter({
      name: 'portcullis_tokens_settled_total',
      help: 'Tokens that those requests took in the end',
      labelNames: ['limiter'],
      registers,
    }),
  }
}

function createStoreMeters (registers: Registry[]) {
  return {
    degraded: new Counter({
      name: 'portcullis_store_degraded_total',
      help: 'Decisions taken by a rule\'s onFailure since the shared store was away, by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    deadlines: new Counter({
      name: 'portcullis_store_deadline_total', help: 'Questions that the shared store did not answer in time', registers,
    }),
  }
}

function register (registry: Registry, { kind, name, help, read, across = 'sum' }: Meter): void {
  const registers = [registry]
  if (kind === 'gauge') {
    const gauge: Gauge = new Gauge({
      name, help, aggregator: across, registers, collect: (): void => gauge.set(read()),
    })
    return
  }
  const counter: Counter = new Counter({
    name,
    help,
    registers,
    collect: (): void => {
      counter.reset()
      counter.inc(read())
    },
  })
}
