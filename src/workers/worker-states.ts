import type { HealthReport, HealthState, MetricsSnapshot } from '../telemetry/contract.js'
import { renderSum, sumOfEnded } from '../telemetry/sum-metrics.js'
import type { Member } from './member.js'
import type { WorkerState } from './messages.js'

export interface WorkerStatesOptions {
  readonly count: number
  readonly ready: () => readonly Member[]
  /** All workers have been at work together. */
  readonly hasStarted: () => boolean
  /** The primary's own numbers. */
  readonly own: () => Promise<MetricsSnapshot>
}

export interface WorkerStates {
  /** All processes as one. A worker that does not answer stands in it as it answered last. */
  render (): Promise<string>
  health (): Promise<HealthState>
  /** Keeps what an ended worker has counted. */
  ended (metrics: MetricsSnapshot | undefined): void
}

export function createWorkerStates ({ count, ready, hasStarted, own }: WorkerStatesOptions): WorkerStates {
  let past: Promise<MetricsSnapshot> = Promise.resolve([])
  return {
    render: async () => {
      const members = ready()
      await Promise.all(members.map((member) => member.ask()))
      const told = members.flatMap(({ metrics }) => metrics === undefined ? [] : [metrics])
      return await renderSum([await own(), await past, ...told])
    },
    health: async () => {
      const members = ready()
      const missing = `${members.length} of ${count} workers take connections`
      if (members.length === 0 || !hasStarted()) return { status: 'failed', reason: missing }
      const states = await Promise.all(members.map(async (member) => complaintOf(member.number, await member.ask())))
      const complaints = states.filter((complaint) => complaint !== undefined)
      if (members.length < count) complaints.unshift(missing)
      return complaints.length === 0 ? { status: 'ok' } : { status: 'degraded', reason: complaints.join('; ') }
    },
    ended: (metrics) => {
      if (metrics !== undefined) past = past.then((before) => sumOfEnded([before, metrics]))
    },
  }
}

/** What a worker says of itself that is not well; undefined: nothing. */
function complaintOf (number: number, state: WorkerState | undefined): string | undefined {
  if (state === undefined) return `worker ${number} does not answer`
  const reasons = reasonsOf(state.health)
  return reasons.length === 0 ? undefined : `worker ${number}: ${reasons.join(', ')}`
}

function reasonsOf ({ checks }: HealthReport): string[] {
  return Object.entries(checks).flatMap(([name, { status, reason }]) =>
    status === 'ok' ? [] : [reason ?? `${name} is ${status}`])
}
