import type { DoormanMeters } from '../doorman/contract.js'

/** Labels are few and come from the policy, never from a client. */
export interface RequestLabels {
  /** The plan's label: a route entry as written, or `unmatched`. */
  readonly route: string
  /** Kind of the verdict that answered, or `forwarded`. */
  readonly verdict: string
  readonly mode: string
}

/** The numbers that the gateway tells. Durations are handed over in milliseconds and shown in seconds. */
export interface Metrics {
  /** A request was answered; called once each, when the answer has ended. */
  request (labels: RequestLabels, durationMs: number): void
  violation (type: string): void
  /** A content check that only flags had something against a message: `default.keywords`. */
  flagged (rule: string): void
  /** Tokens that a limiter reserved for a request, and what of them it took in the end. */
  tokens (limiter: string, tokens: { readonly reserved: number, readonly settled: number }): void
  /** A ban was placed: `auto`, `admin` or `mongo`. */
  banPlaced (source: string): void
  /** The backend gave no answer: a code of the catalogue. */
  upstreamFault (code: string): void
  /** Lines that the journal could not keep. */
  journalDropped (count: number): void
  /** The shared store was away and a rule's `onFailure` decided: `local`, `open`, `closed`. */
  storeDegraded (outcome: 'local' | 'open' | 'closed'): void
  /** The shared store did not answer within its deadline. */
  storeDeadline (): void
  readonly doorman: DoormanMeters
  /** A number that is read when somebody asks; naming one twice is misuse. */
  add (meter: Meter): void
  /** Prometheus text exposition. */
  render (): Promise<string>
  /** Everything as it stands now, to be added to what other processes tell; survives a structured clone. */
  snapshot (): Promise<MetricsSnapshot>
  readonly contentType: string
}

/** A number that somebody else keeps, for the operator. */
export interface Meter {
  /** `counter`: counts since the start of the process and never falls. */
  readonly kind: 'gauge' | 'counter'
  /** `portcullis_…` with its unit; of a counter with `_total`. */
  readonly name: string
  readonly help: string
  read (): number
  /** What several processes make of a gauge: the sum, or, where each knows the same, the largest. `sum` when absent. */
  readonly across?: 'sum' | 'max'
}

/** One process's metrics as values, each with its name and kind. */
export type MetricsSnapshot = readonly MetricValues[]

export interface MetricValues {
  readonly name: string
  readonly type: string
}

export type HealthStatus = 'ok' | 'degraded' | 'failed'

export interface HealthState {
  readonly status: HealthStatus
  /** Why it is not ok, for the operator; no secrets, since nobody must sign in to read it. */
  readonly reason?: string
}

export interface HealthReport {
  /** False when any check failed; a degraded gateway is ready. */
  readonly ready: boolean
  readonly status: 'ready' | 'degraded' | 'not ready'
  readonly checks: Readonly<Record<string, HealthState>>
}

export type HealthCheck = () => HealthState | Promise<HealthState>

export interface Health {
  /** Components name themselves once; a second check of one name replaces the first. */
  register (name: string, check: HealthCheck): void
  /** Asks everybody. Never rejects: a check that throws or takes too long has failed. */
  report (): Promise<HealthReport>
}
