import Type, { type Static } from 'typebox'
import type { Ban } from '../bans/contract.js'

const Instant = (description: string) => Type.String({ format: 'date-time', description })
const Flag = (description: string) => Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')], { description }))

export const BanJson = Type.Object({
  subject: Type.String({ description: 'user:<id>, ip:<address> or ip:<network>/<prefix>' }),
  violation: Type.String({ description: 'Type of the violation that led to it; manual for an operator\'s' }),
  score: Type.Number(),
  createdAt: Instant('When it was placed'),
  expiresAt: Type.Union([Instant('When it ends'), Type.Null()], { description: 'null = for ever' }),
  source: Type.Union([Type.Literal('auto'), Type.Literal('admin'), Type.Literal('mongo'), Type.Literal('backend')]),
  linked: Type.Array(Type.String(), { description: 'Subjects banned by the same violation' }),
  note: Type.Union([Type.String(), Type.Null()]),
}, { description: 'A ban in force' })

export const BanList = Type.Object({
  bans: Type.Array(BanJson),
  next: Type.Union([Type.String(), Type.Null()], { description: 'cursor of the next page; null: this was the last' }),
})

export const ListQuery = Type.Object({
  user: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'A user\'s id' })),
  ip: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'An address, to see every ban that holds for it, or a CIDR' })),
  cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
}, { additionalProperties: false })

export const NewBan = Type.Object({
  user: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'A user\'s id; or give ip' })),
  ip: Type.Optional(Type.String({
    minLength: 1, maxLength: 64, description: 'An address or CIDR. A bare IPv6 address stands for its network, by client.ipv6Prefix',
  })),
  duration: Type.String({ maxLength: 64, description: 'With a unit: 90m, 2h, 7d; or forever', examples: ['2h', 'forever'] }),
  note: Type.Optional(Type.String({ maxLength: 500 })),
}, { additionalProperties: false })

export const BanParams = Type.Object({ subject: Type.String({ description: 'URL-encoded: ip:10.0.0.0%2F8' }) })

export const LiftQuery = Type.Object({
  linked: Flag('Also lift the address bans that this user caused (true)'),
  keepScore: Flag('Leave the scores as they are (false)'),
}, { additionalProperties: false })

export const ProblemJson = Type.Object({
  type: Type.String(), title: Type.String(), status: Type.Integer(), detail: Type.String(),
}, { description: 'RFC 9457' })

/** A ban as the API shows it: instants in ISO 8601. */
export function showBan (ban: Ban): Static<typeof BanJson> {
  return {
    subject: ban.subject,
    violation: ban.violation,
    score: ban.score,
    createdAt: new Date(ban.createdAt).toISOString(),
    expiresAt: ban.expiresAt === null ? null : new Date(ban.expiresAt).toISOString(),
    source: ban.source,
    linked: [...ban.linked],
    note: ban.note ?? null,
  }
}
