import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { Static } from 'typebox'
import { banSubject, canonicalSubject, DURATION_EXPECTED, parseBanDuration, type Access } from '../bans/bans.js'
import type { BanBook } from '../bans/contract.js'
import type { Clock } from '../clock.js'
import type { ScoreStore } from '../violations/contract.js'
import type { Audit } from './audit.js'
import { operatorOf } from './auth.js'
import { BanJson, BanList, BanParams, LiftQuery, ListQuery, NewBan, ProblemJson, showBan } from './ban-schemas.js'
import { Problem } from './problems.js'

export interface BanRoutesDeps {
  readonly bans: BanBook
  readonly scores: Pick<ScoreStore, 'reset'>
  readonly clock: Clock
  readonly audit: Audit
  /** Of the policy in force; asked anew for each request. */
  readonly access: () => Access
  /** `client.ipv6Prefix` of the policy in force. */
  readonly ipv6Prefix: () => number
}

type App = Parameters<FastifyPluginCallbackTypebox>[0]

const TAGS = ['bans']
const NO_ADDRESS = 'expected an IPv4 or IPv6 address or a CIDR'

/** `/api/v1/bans`: list, add, lift. Bans never hold on this listener, so an operator cannot lock himself out of it. */
export function banRoutes (deps: BanRoutesDeps): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    addList(app, deps)
    addPlace(app, deps)
    addLift(app, deps)
    done()
  }
}

function addList (app: App, { bans }: BanRoutesDeps): void {
  const response = { 200: BanList, 400: ProblemJson }
  app.get('/api/v1/bans', {
    schema: { summary: 'Bans in force, newest first', tags: TAGS, querystring: ListQuery, response },
  }, async ({ query }) => {
    const { ip } = query
    if (ip !== undefined && canonicalSubject(`ip:${ip}`) === undefined) throw new Problem(400, `ip: ${NO_ADDRESS}`)
    const page = bans.list(query)
    if (page === undefined) throw new Problem(400, 'cursor: expected the "next" of an earlier answer')
    return { bans: page.bans.map(showBan), next: page.next ?? null }
  })
}

function addPlace (app: App, deps: BanRoutesDeps): void {
  const response = { 201: BanJson, 400: ProblemJson, 409: ProblemJson }
  app.post('/api/v1/bans', {
    schema: { summary: 'Ban a user or an address', tags: TAGS, body: NewBan, response },
  }, async (request, reply) => {
    const placed = await place(deps, request.body, operatorOf(request).name)
    return reply.code(201).header('location', `/api/v1/bans/${encodeURIComponent(placed.subject)}`).send(placed)
  })
}

function addLift (app: App, deps: BanRoutesDeps): void {
  const response = { 204: { type: 'null' }, 400: ProblemJson, 404: ProblemJson }
  app.delete('/api/v1/bans/:subject', {
    schema: { summary: 'Lift a ban and reset the score', tags: TAGS, params: BanParams, querystring: LiftQuery, response },
  }, async (request, reply) => {
    await lift(deps, { ...request.query, ...request.params }, operatorOf(request).name)
    return reply.code(204).send(null)
  })
}

type NewBanJson = Static<typeof NewBan>

async function place (deps: BanRoutesDeps, wanted: NewBanJson, who: string): Promise<Static<typeof BanJson>> {
  const subject = subjectOf(wanted, deps)
  const duration = parseBanDuration(wanted.duration)
  if (duration === undefined) throw new Problem(400, `duration: expected ${DURATION_EXPECTED}`)
  const now = deps.clock()
  const expiresAt = duration.durationMs === null ? null : now + duration.durationMs
  const { note } = wanted
  const ban = { subject, violation: 'manual', score: 0, createdAt: now, expiresAt, source: 'admin', linked: [] } as const
  const written = deps.bans.place([{ ...ban, ...(note === undefined ? {} : { note }) }])
  // With a ban that stood before, the later end stays: the answer shows what holds.
  const placed = showBan(deps.bans.get(subject) ?? ban)
  await written
  deps.audit({ who, what: 'ban.add', subject, duration: wanted.duration, expiresAt: placed.expiresAt, note })
  return placed
}

type Lift = Static<typeof LiftQuery> & Static<typeof BanParams>

async function lift (deps: BanRoutesDeps, { subject: text, linked, keepScore }: Lift, who: string): Promise<void> {
  const subject = standingSubject(text, deps)
  const lifted = await deps.bans.lift(subject, { linked: linked !== 'false', by: who })
  if (lifted.length === 0) throw new Problem(404, `There is no ban of ${subject}.`)
  if (keepScore !== 'true') for (const one of lifted) await deps.scores.reset(one)
  deps.audit({ who, what: 'ban.lift', subject, lifted, scoresKept: keepScore === 'true' })
}

/** A single IPv6 address may be banned by itself or, as usual, as its network. */
function standingSubject (text: string, { bans, ipv6Prefix }: BanRoutesDeps): string {
  const exact = canonicalSubject(text)
  if (exact === undefined) throw new Problem(400, 'subject: expected user:<id>, ip:<address> or ip:<network>/<prefix>')
  if (bans.get(exact) !== undefined || !text.startsWith('ip:')) return exact
  return banSubject(text.slice('ip:'.length), ipv6Prefix()) ?? exact
}

/** The subject that a new ban is for. Throws the problem when there is none to be banned. */
function subjectOf ({ user, ip }: NewBanJson, { access, ipv6Prefix }: Pick<BanRoutesDeps, 'access' | 'ipv6Prefix'>): string {
  if ((user === undefined) === (ip === undefined)) throw new Problem(400, 'expected either user or ip')
  const exempt = (what: string) => new Problem(409, `${what} is exempt by policy: the ban would not hold`)
  if (user !== undefined) {
    if (access().isExemptUser({ id: user })) throw exempt('This user')
    return `user:${user}`
  }
  const subject = banSubject(ip ?? '', ipv6Prefix())
  if (subject === undefined) throw new Problem(400, `ip: ${NO_ADDRESS}`)
  if (subject.endsWith('/0')) throw new Problem(400, 'ip: this network is everybody; to stop all traffic, stop the gateway')
  if (access().isExemptAddress(ip ?? '')) throw exempt('This address')
  return subject
}
