import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { banSubject, canonicalSubject } from '../bans/bans.js'
import type { AddressUsers, BanBook } from '../bans/contract.js'
import type { Clock } from '../clock.js'
import type { LeaseStore } from '../concurrency/contract.js'
import { userIdOf } from '../identity/contract.js'
import type { SuspensionStore } from '../suspensions/contract.js'
import { inForce } from '../suspensions/suspensions.js'
import type { ScoreStore } from '../violations/contract.js'
import type { Audit } from './audit.js'
import { operatorOf } from './auth.js'
import { ProblemJson, showBan } from './ban-schemas.js'
import { Problem } from './problems.js'
import { iso, showLease, showScore, showSuspension, SubjectJson, SubjectParams } from './subject-schemas.js'

export interface SubjectRoutesDeps {
  readonly bans: Pick<BanBook, 'list'>
  readonly scores: Pick<ScoreStore, 'list'>
  readonly suspensions: Pick<SuspensionStore, 'get' | 'lift'>
  readonly leases: Pick<LeaseStore, 'list'>
  readonly addressUsers: Pick<AddressUsers, 'seenSince'>
  /** Names of the rules of the policy in force under which there may be leases. */
  readonly leaseRules: () => Iterable<string>
  readonly clock: Clock
  readonly audit: Audit
  /** `client.ipv6Prefix` of the policy in force. */
  readonly ipv6Prefix: () => number
}

type App = Parameters<FastifyPluginCallbackTypebox>[0]

const TAGS = ['subjects']
const ADDRESS = 'ip:'

/** `/api/v1/subjects`: what is kept about somebody. `/api/v1/suspensions`: let somebody talk again. */
export function subjectRoutes (deps: SubjectRoutesDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    addLook(app, deps)
    addLift(app, deps)
    done()
  }
}

function addLook (app: App, deps: SubjectRoutesDeps): void {
  const response = { 200: SubjectJson, 400: ProblemJson }
  app.get('/api/v1/subjects/:subject', {
    schema: { summary: 'What is kept about a user or an address', tags: TAGS, params: SubjectParams, response },
  }, ({ params }) => look(deps, params.subject))
}

function addLift (app: App, deps: SubjectRoutesDeps): void {
  const response = { 204: { type: 'null' }, 400: ProblemJson, 404: ProblemJson }
  app.delete('/api/v1/suspensions/:subject', {
    schema: { summary: 'End a suspension; level and totals stay', tags: TAGS, params: SubjectParams, response },
  }, async (request, reply) => {
    const subject = keptSubject(request.params.subject, deps)
    if (!await deps.suspensions.lift(subject, deps.clock())) throw new Problem(404, `${subject} is not suspended.`)
    deps.audit({ who: operatorOf(request).name, what: 'suspension.lift', subject })
    return reply.code(204).send(null)
  })
}

async function look (deps: SubjectRoutesDeps, text: string): Promise<Static<typeof SubjectJson>> {
  const subject = keptSubject(text, deps)
  const now = deps.clock()
  const [scores, record, leases, users] = await Promise.all([
    deps.scores.list(subject), deps.suspensions.get(subject), leasesOf(deps, subject, now), usersOn(deps, subject),
  ])
  const suspension = record === undefined ? undefined : inForce(record, now)
  const lastMessageAt = record?.lastMessageAt ?? 0
  return {
    subject,
    scores: scores.map(showScore),
    suspension: suspension === undefined ? null : showSuspension(suspension),
    infractionLevel: record?.level ?? 0,
    messagesTotal: record?.messagesTotal ?? 0,
    lastMessageAt: lastMessageAt === 0 ? null : iso(lastMessageAt),
    bans: bansOf(deps, text),
    leases,
    ...users === undefined ? {} : { users: [...users] },
  }
}

/** An address holds everything but bans as its network. Throws the problem when the text names nobody. */
function keptSubject (text: string, { ipv6Prefix }: Pick<SubjectRoutesDeps, 'ipv6Prefix'>): string {
  const isAddress = text.startsWith(ADDRESS)
  const subject = isAddress ? banSubject(text.slice(ADDRESS.length), ipv6Prefix()) : canonicalSubject(text)
  if (subject === undefined) throw new Problem(400, 'subject: expected user:<id> or ip:<address>')
  return subject
}

async function leasesOf ({ leases, leaseRules }: SubjectRoutesDeps, subject: string, now: number) {
  const lists = await Promise.all([...leaseRules()].map(async (rule) => await leases.list(subject, rule, now)))
  return lists.flatMap(({ records }) => records.map(showLease))
}

function usersOn ({ addressUsers }: SubjectRoutesDeps, subject: string) {
  return subject.startsWith(ADDRESS) ? addressUsers.seenSince(subject, 0, undefined) : undefined
}

/** Every ban that holds for the subject. */
function bansOf ({ bans }: SubjectRoutesDeps, text: string) {
  const user = userIdOf(text)
  const page = bans.list(user === undefined ? { ip: text.slice(ADDRESS.length) } : { user })
  return page?.bans.map(showBan) ?? []
}
