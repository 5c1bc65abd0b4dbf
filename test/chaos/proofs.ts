/** What must be true of two gateways while Redis is away, and when it is back. */
import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import { until } from '../helpers/backends.js'
import type { Answer, Load } from './load.js'
import { FLOOD_STEPS, SMALL_MAX, type Gateway, type Stage } from './stage.js'

/** What was kept is told in batches, and a ban comes with it. */
const TOLD_MS = 15_000
/** Offences at either gateway while Redis is away. */
const OFFENCES = [7, 5] as const

export interface Scene {
  readonly stage: Stage
  readonly load: Load
  /** Makes everybody in it a stranger to those of the scenes before. */
  readonly name: string
}

/** Two long answers of one user, one at each gateway: all that he may have at a time. Resolves when both are under way. */
export async function beginMessages (t: Test, { stage, load, name }: Scene): Promise<readonly Promise<Answer>[]> {
  const { gateways } = stage
  const begun = await Promise.all(gateways.map((gateway) => beginOne({ stage, load, name }, gateway)))
  t.equal(stage.held.size, gateways.length, 'two answers are under way')
  const third = async () => (await load.ask(gateways[0], '/slow', `lea ${name}`)).status
  t.ok(await until(async () => await third() === 429, TOLD_MS), 'a third is refused')
  return begun.map(({ answer }) => answer)
}

/** Until Redis grants it: on a machine that is late the rule, which is closed, may answer for it. */
async function beginOne (
  { stage: { held }, load, name }: Scene, gateway: Gateway
): Promise<{ answer: Promise<Answer> }> {
  const end = performance.now() + TOLD_MS
  while (performance.now() < end) {
    const target = `/slow?${randomUUID()}`
    const answer = load.ask(gateway, target, `lea ${name}`)
    let isOver = false
    answer.finally(() => { isOver = true }).catch(() => {})
    await until(() => isOver || held.has(target), TOLD_MS)
    if (held.has(target)) return { answer }
  }
  throw new Error('There never was a slot.')
}

export async function endMessages (t: Test, { stage }: Scene, answers: readonly Promise<Answer>[]): Promise<void> {
  for (const response of stage.held.values()) response.end('done')
  const whole = { status: 200, body: 'begun, done' }
  t.same(await Promise.all(answers), answers.map(() => whole), 'answers under way end as if nothing had happened')
}

/** Who had all his slots in use has them back, long before the leases run out. */
export async function slotsAreFree (t: Test, scene: Scene): Promise<void> {
  await endMessages(t, scene, await beginMessages(t, scene))
}

/** Limits, violations and bans go on while Redis is away. */
export async function actWhileAway (t: Test, { stage: { gateways }, load, name }: Scene): Promise<void> {
  const [first, second] = gateways
  const flooder = flooderOf(name)
  for (let step = 0; step < FLOOD_STEPS; step++) {
    t.equal((await load.ask(first, '/flood', flooder)).status, 429)
  }
  t.equal((await load.ask(first, '/local', flooder)).status, 403, 'a ban is placed and holds')
  for (const [index, count] of OFFENCES.entries()) {
    for (let i = 0; i < count; i++) await load.ask(gateways[index] ?? first, '/offend', `offender ${name}`)
  }
  for (const gateway of [first, second]) {
    t.equal((await load.ask(gateway, '/open', 'anybody')).status, 200)
    t.equal((await load.ask(gateway, '/closed', 'anybody')).status, 503)
    const statuses = []
    for (let i = 0; i < SMALL_MAX + 3; i++) statuses.push((await load.ask(gateway, '/small', `eager ${name}`)).status)
    const passed = statuses.filter((status) => status === 200).length
    t.equal(passed, SMALL_MAX, 'each gateway counts by itself: up to max each')
  }
}

/** What happened while Redis was away is known everywhere when it is back. */
export async function knownAfterwards (t: Test, { stage: { gateways }, load, name }: Scene): Promise<void> {
  const [, second] = gateways
  t.ok(await isBanned(load, second, flooderOf(name)), 'the other gateway heard of the ban')
  const [one, other] = OFFENCES
  t.equal(await offencesOf(load, second, `offender ${name}`), one + other, 'every violation is booked, once')
}

/** Who was banned while Redis was away. */
export const flooderOf = (fault: string): string => `flooder ${fault}`

/** Whether a gateway comes to know that somebody is banned. */
export async function isBanned (load: Load, gateway: Gateway, user: string): Promise<boolean> {
  return await until(async () => (await load.ask(gateway, '/local', user)).status === 403, TOLD_MS)
}

/** How many points Redis knows of; -1: it could not be asked. */
export async function offencesOf (load: Load, gateway: Gateway, user: string): Promise<number> {
  let points = -1
  await until(async () => {
    const { status, body } = await load.ask(gateway, '/told', user)
    if (status === 429) points = (JSON.parse(body) as { violation_count: number }).violation_count
    return status === 429
  }, TOLD_MS)
  return points
}

/** Waits until nothing is left to be told. */
export async function allTold ({ gateways }: Stage): Promise<boolean> {
  return await until(async () => {
    const left = await Promise.all(gateways.map(async ({ sample }) =>
      await sample('portcullis_store_violations_waiting') + await sample('portcullis_store_releases_waiting')))
    return left.every((count) => count === 0)
  }, TOLD_MS)
}
