/** One fault, before, during and after which two gateways are under load. */
import type { Test } from 'tap'
import { until } from '../helpers/backends.js'
import type { Fault } from './faults.js'
import { askedFor, statusesOf, waitsOf, withoutRules, type Row } from './figures.js'
import { startLoad, type Load, type Sent } from './load.js'
import {
  actWhileAway, allTold, beginMessages, endMessages, isBanned, knownAfterwards, offencesOf, slotsAreFree, type Scene,
} from './proofs.js'
import { all, startStage, sum, type Stage } from './stage.js'

/** Who is banned before anything happens. */
export const BANNED = 'mallory'
/** Redis is probed every 2 s at the slowest. */
const BACK_MS = 15_000
/** Beyond the slowest request without rules: more than a deadline, less than it takes to give up a connection. */
const ADDED_MS = 1_500
const OUTCOMES = ['local', 'open', 'closed'] as const

/** `CHAOS=long`: for figures instead of a quick look. */
export const IS_LONG = process.env.CHAOS === 'long'
const PACE = IS_LONG
  ? { deadline: '50ms', perSecond: 300, calmMs: 5000, faultMs: 5000 }
  // A machine that does other things too must not look like a Redis that fails.
  : { deadline: '400ms', perSecond: 60, calmMs: 0, faultMs: 1000 }

export interface Play { readonly stage: Stage, readonly load: Load }

/** Two gateways under load, with a banned user among those who ask. */
export async function openPlay (t: Test, redisUri: string): Promise<Play> {
  const stage = await startStage(t, { redisUri, deadline: PACE.deadline })
  const { gateways } = stage
  await gateways[0].ban(BANNED)
  const load = startLoad(t, gateways, { perSecond: PACE.perSecond, banned: BANNED })
  if (!await all(gateways, (gateway) => isBanned(load, gateway, BANNED))) throw new Error('The ban was not heard of.')
  return { stage, load }
}

/** Lets the fault happen, and proves what must hold. */
export async function endure (t: Test, { stage, load }: Play, fault: Fault): Promise<Row> {
  const scene: Scene = { stage, load, name: fault.name }
  const { gateways } = stage
  await load.nextOffender(`steady ${fault.name}`)
  const from = performance.now()
  await pass(PACE.calmMs)
  const messages = await beginMessages(t, scene)
  const decidedBefore = await decisions(stage)

  const begunAt = performance.now()
  await fault.begin(PACE.faultMs)
  let noticedMs: number | undefined
  if (fault.isAbsence) {
    t.ok(await until(() => all(gateways, (gateway) => gateway.isAway()), BACK_MS), 'both notice')
    noticedMs = performance.now() - begunAt
    await actWhileAway(t, scene)
    await endMessages(t, scene, messages)
    await pass(PACE.faultMs - (performance.now() - begunAt))
  }
  await fault.end()
  const endedAt = performance.now()
  t.ok(await until(() => all(gateways, (gateway) => gateway.isReady()), BACK_MS), 'all is well again')
  const backAt = performance.now()
  if (!fault.isAbsence) await endMessages(t, scene, messages)

  const made = await load.nextOffender('nobody')
  t.ok(await allTold(stage), 'Redis knows what it must')
  await pass(PACE.calmMs)
  const decided = (await decisions(stage)).map((count, index) => count - (decidedBefore[index] ?? 0))
  const booked = await offencesOf(load, gateways[0], `steady ${fault.name}`)
  if (!fault.forgets) t.equal(booked, made, 'no violation is lost, none counts twice')
  if (fault.isAbsence) await knownAfterwards(t, scene)
  await slotsAreFree(t, scene)

  const within = (start: number, end: number) => load.sent.filter(({ at }) => at >= start && at < end)
  const during = within(begunAt, Math.max(endedAt, begunAt + 100))
  checkAnswers(t, within(from, performance.now()))
  return {
    fault: fault.name,
    before: waitsOf(askedFor(within(from, begunAt))),
    during: waitsOf(askedFor(during)),
    control: waitsOf(withoutRules(during)),
    after: waitsOf(askedFor(within(backAt, performance.now()))),
    noticedMs,
    backMs: backAt - endedAt,
    statuses: statusesOf(during),
    decided,
    violations: { made, booked },
  }
}

function checkAnswers (t: Test, sent: readonly Sent[]): void {
  const wrong = sent.filter(({ kind, status }) => !isRight(kind, status))
  t.same(wrong.slice(0, 5), [], `each of ${sent.length} answers is as it must be; ${wrong.length} are not`)
  const added = waitsOf(askedFor(sent)).longest - waitsOf(withoutRules(sent)).longest
  t.ok(added < ADDED_MS, `Redis added ${added} ms at most`)
}

function isRight (kind: Sent['kind'], status: number): boolean {
  switch (kind) {
    case 'banned': return status === 403
    case 'offend': return status === 429
    case 'closed': return status === 200 || status === 503
    default: return status === 200
  }
}

async function decisions ({ gateways }: Stage): Promise<number[]> {
  return await Promise.all(OUTCOMES.map((outcome) =>
    sum(gateways, `portcullis_store_degraded_total{outcome="${outcome}"}`)))
}

/** Time in which the load is measured; nothing is waited for. */
async function pass (ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
}
