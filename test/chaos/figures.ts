/** What the load saw, in numbers. */
import type { Sent } from './load.js'

export interface Waits { readonly p50: number, readonly p99: number, readonly longest: number }

/** Milliseconds. */
export function waitsOf (sent: readonly Sent[]): Waits {
  const sorted = sent.map(({ ms }) => ms).sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99), longest: sorted.at(-1) ?? 0 }
}

/** Those that Redis is asked for: banned users are turned away before, and `/plain` has no rule. */
export function askedFor (sent: readonly Sent[]): Sent[] {
  return sent.filter(({ kind }) => kind !== 'banned' && kind !== 'plain')
}

export function withoutRules (sent: readonly Sent[]): Sent[] {
  return sent.filter(({ kind }) => kind === 'plain')
}

/** How often each status came: `200: 310, 403: 80`. */
export function statusesOf (sent: readonly Sent[]): string {
  const counts = Map.groupBy(sent, ({ status }) => status)
  return [...counts].sort(([a], [b]) => a - b).map(([status, { length }]) => `${status}: ${length}`).join(', ')
}

export interface Row {
  readonly fault: string
  readonly before: Waits
  readonly during: Waits
  /** At the same time, of requests without rules. */
  readonly control: Waits
  readonly after: Waits
  readonly noticedMs: number | undefined
  readonly backMs: number
  readonly statuses: string
  /** Decisions without Redis: local, open, closed. */
  readonly decided: readonly number[]
  readonly violations: { readonly made: number, readonly booked: number }
}

const HEAD = [
  'fault', 'p50 / p99 before', 'during', 'without rules', 'after', 'longest', 'noticed in', 'back in', 'statuses during',
  'local / open / closed', 'violations made / booked',
]

/** As it stands in docs/reliability.md. */
export function tableOf (rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.fault, pair(row.before), pair(row.during), pair(row.control), pair(row.after), ms(row.during.longest),
    row.noticedMs === undefined ? '–' : ms(row.noticedMs), ms(row.backMs), row.statuses,
    row.decided.join(' / '), `${row.violations.made} / ${row.violations.booked}`,
  ])
  return [HEAD, HEAD.map(() => '--'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const pair = ({ p50, p99 }: Waits): string => `${p50.toFixed(1)} / ${ms(p99)}`
const ms = (value: number): string => value < 10 ? value.toFixed(1) : value.toFixed(0)
