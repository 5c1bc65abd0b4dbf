/**
 * What primary and workers say to each other. Both are of one build, so nothing here needs a version; everything
 * survives a structured clone.
 */
import type { Ban, BanChanges } from '../bans/contract.js'
import type { PolicyDocument, Settings } from '../config/config.js'
import type { HealthReport, MetricsSnapshot } from '../telemetry/contract.js'
import type { ViolationRecord } from '../violations/contract.js'

/** Tells a worker in its environment that it is one, and which. */
export const WORKER_VARIABLE = 'PORTCULLIS_WORKER'

/** What a worker works by. Policy and settings come from the primary, so that all follow the last good ones. */
export interface Begin {
  readonly kind: 'begin'
  readonly settings: Settings
  readonly document: PolicyDocument
  /** Bans that the primary knows, for a start without Redis. */
  readonly bans: readonly Ban[]
}

export type ToWorker =
  | Begin
  /** Travels with a socket: a client's connection, to be answered for with `taken` or `returned`. */
  | { readonly kind: 'connection', readonly id: number }
  | { readonly kind: 'policy', readonly document: PolicyDocument }
  /** So many records have reached the journal. */
  | { readonly kind: 'journalKept', readonly count: number }
  /** Another process has placed or lifted them. */
  | { readonly kind: 'bans', readonly changes: BanChanges }
  /** The changes of that number are safe, or, with a reason, are not. */
  | { readonly kind: 'bansKept', readonly id: number, readonly reason: string | undefined }
  /** A subject's scores (of one type) were set to 0: what this worker counted and did not tell Redis yet is void. */
  | { readonly kind: 'reset', readonly subject: string, readonly type: string | undefined }
  | { readonly kind: 'ask', readonly id: number }
  /** Every connection before it is to be served to its end. */
  | { readonly kind: 'stop', readonly graceMs: number }

export type FromWorker =
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'taken', readonly id: number }
  | { readonly kind: 'returned', readonly id: number }
  | { readonly kind: 'journal', readonly records: readonly ViolationRecord[] }
  /** To be kept and passed on; answered with `bansKept`. */
  | { readonly kind: 'bans', readonly id: number, readonly changes: BanChanges }
  /** A line for the log that other processes may have too. */
  | { readonly kind: 'warning', readonly line: string }
  | { readonly kind: 'answer', readonly id: number, readonly state: WorkerState }
  /** It ends of its own accord: it serves what it has, for so long at most, and wants nothing more. */
  | { readonly kind: 'leaving', readonly graceMs: number }
  /** Its numbers, at the very end. */
  | { readonly kind: 'farewell', readonly metrics: MetricsSnapshot }

export interface WorkerState {
  readonly metrics: MetricsSnapshot
  readonly health: HealthReport
}
