import Type, { type Static } from 'typebox'
import type { LeaseRecord } from '../concurrency/contract.js'
import type { Suspension } from '../suspensions/contract.js'
import type { ScoreRecord } from '../violations/contract.js'
import { BanJson } from './ban-schemas.js'

const Instant = (description: string) => Type.String({ format: 'date-time', description })
const InstantOr = (never: string, description: string) =>
  Type.Union([Instant(description), Type.Null()], { description: `${description}; null = ${never}` })

const ScoreJson = Type.Object({
  type: Type.String({ description: 'Of the violations' }),
  score: Type.Number({ description: 'Points that count now' }),
  total: Type.Integer({ description: 'Violations ever booked, within the retention' }),
  updatedAt: Instant('When the last one was'),
  scoreExpiresAt: InstantOr('never', 'When the points run out'),
})

const SuspensionJson = Type.Object({
  reason: Type.Union([Type.Literal('content'), Type.Literal('rate')]),
  until: Instant('When it ends'),
  message: Type.String({ description: 'What the person is told, {minutes} stands for the time left' }),
}, { description: 'In force' })

const LeaseJson = Type.Object({
  rule: Type.String({ description: 'Of the messages in flight' }),
  takenAt: Instant('When the message came'),
  expiresAt: Instant('When the slot runs out, unless it is renewed'),
})

export const SubjectJson = Type.Object({
  subject: Type.String({ description: 'As it is kept: an IPv6 address as its network, by client.ipv6Prefix' }),
  scores: Type.Array(ScoreJson),
  suspension: Type.Union([SuspensionJson, Type.Null()]),
  infractionLevel: Type.Integer({ description: 'Of the next content infraction, counted from 0, unless quiet time resets it' }),
  messagesTotal: Type.Integer({ description: 'Messages that nothing was against, on routes with content rules' }),
  lastMessageAt: InstantOr('none yet', 'When the last of them came, or of those that were refused'),
  bans: Type.Array(BanJson),
  leases: Type.Array(LeaseJson, { description: 'Messages in flight' }),
  users: Type.Optional(Type.Array(Type.String(), { description: 'Of an address: ids of users lately seen there' })),
}, { description: 'What is kept about a subject' })

export const SubjectParams = Type.Object({
  subject: Type.String({ description: 'user:<id> or ip:<address>, URL-encoded: user:a%2Fb' }),
})

export function showScore (record: ScoreRecord): Static<typeof ScoreJson> {
  const { type, score, total, updatedAt, scoreExpiresAt } = record
  const runsOutAt = scoreExpiresAt === null ? null : iso(scoreExpiresAt)
  return { type, score, total, updatedAt: iso(updatedAt), scoreExpiresAt: runsOutAt }
}

export function showSuspension ({ reason, until, message }: Suspension): Static<typeof SuspensionJson> {
  return { reason, until: iso(until), message }
}

export function showLease ({ rule, takenAt, expiresAt }: LeaseRecord): Static<typeof LeaseJson> {
  return { rule, takenAt: iso(takenAt), expiresAt: iso(expiresAt) }
}

export function iso (instant: number): string {
  return new Date(instant).toISOString()
}
