import t, { type Test } from 'tap'
import { until } from '../helpers/backends.js'
import type { Product } from '../helpers/product.js'
import {
  allReady, as, ask, openSocket, openStream, operate, PATIENT, say, SOON_MS, startChat, startPair, TOPOLOGIES,
  TOPOLOGY_NAMES, type Caller, type Topology,
} from './stage.js'

/** As the contract says; the median, since a busy machine may stop anybody for a moment. */
const IN_FORCE_MS = 100
const CLOSED_MS = 1000
const ROUNDS = 12

async function startStage (t: Test, topology: Topology, policy = PATIENT) {
  const { url, servers } = await TOPOLOGIES[topology](t)
  const chat = await startChat(t)
  const pair = await startPair(t, { upstream: chat.url, policy, redis: { url } })
  t.ok(await allReady(pair))
  return { pair, chat, servers }
}

const statusOf = async ({ url }: Product, caller: Caller) => (await ask(`${url}/x`, as(caller))).status

/** How many milliseconds from now until a caller gets this status. */
async function msUntil (product: Product, caller: Caller, status: number): Promise<number> {
  const begun = performance.now()
  const isSo = await until(async () => await statusOf(product, caller) === status, SOON_MS)
  return isSo ? performance.now() - begun : Infinity
}

const placeBy = {
  violation: async ({ url }: Product, caller: Caller) => (await say(url, { ...caller, script: true })).body['ban'] === true,
  operator: async (product: Product, { user }: Caller) =>
    await operate(product, 'POST', '/api/v1/bans', { user, duration: '1h', note: 'spam' }) === 201,
} as const

function tell (t: Test, what: string, figures: readonly number[]): void {
  const sorted = [...figures].sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? Infinity
  const most = sorted.at(-1) ?? Infinity
  t.comment(`${what}: median ${median.toFixed(1)} ms, most ${most.toFixed(1)} ms, of ${sorted.length}`)
  t.ok(median <= IN_FORCE_MS, `${what}: median ${median}`)
  t.ok(most <= CLOSED_MS, `${what}: most ${most}`)
}

for (const topology of TOPOLOGY_NAMES) {
  t.test(`with ${topology}, what one instance bans and lifts the other refuses and lets in at once`, async (t) => {
    const { pair: [a, b] } = await startStage(t, topology)
    for (const by of ['violation', 'operator'] as const) {
      const [placed, lifted]: [number[], number[]] = [[], []]
      for (let i = 0; i < ROUNDS; i++) {
        const caller = { user: `${by}-${i}`, ip: `198.51.100.${i}` }
        const [here, there] = i % 2 === 0 ? [a, b] : [b, a]
        if (await statusOf(there, caller) !== 200) t.fail(`${caller.user} is a stranger`)
        if (!await placeBy[by](here, caller)) t.fail(`${caller.user} was not banned`)
        placed.push(await msUntil(there, caller, 403))
        const neighbour = await statusOf(there, { user: 'neighbour', ip: caller.ip })
        if (neighbour !== (by === 'violation' ? 403 : 200)) t.fail(`the address, banned with its user: ${neighbour}`)
        const subject = encodeURIComponent(`user:${caller.user}`)
        if (await operate(here, 'DELETE', `/api/v1/bans/${subject}`) !== 204) t.fail('no lift')
        lifted.push(await msUntil(there, caller, 200))
        if (await statusOf(there, { user: 'neighbour', ip: caller.ip }) !== 200) t.fail('the address goes with its user')
      }
      tell(t, `a ban by ${by} on the other instance`, placed)
      tell(t, 'a lift of it on the other instance', lifted)
    }
  })

  t.test(`with ${topology}, a ban closes what its user has open on the other instance, and nobody else's`, async (t) => {
    const { pair: [a, b], chat } = await startStage(t, topology)
    const open = async (caller: Caller) => [
      await openStream(t, `${b.url}/events`, as(caller)),
      await openStream(t, `${b.url}/api/agents/chat/stream/s1`, as(caller)),
      await openSocket(t, b.url, as(caller)),
    ]
    const innocent = await open({ user: 'ivy', ip: '198.51.100.99' })
    for (const by of ['violation', 'operator'] as const) {
      const caller = { user: `busy-${by}`, ip: '198.51.100.50' }
      const his = await open(caller)
      chat.speak('before')
      t.ok(await until(() => his.every(({ text }) => text().includes('before')), SOON_MS), 'they live')
      t.ok(await placeBy[by](a, caller))
      const placedAt = performance.now()
      t.ok(await until(() => his.every(({ endedAt }) => endedAt() !== undefined), SOON_MS))
      const delays = his.map(({ endedAt }) => (endedAt() ?? Infinity) - placedAt)
      t.comment(`closed after a ban by ${by}: ${delays.map((ms) => ms.toFixed(1)).join(', ')} ms`)
      t.ok(Math.max(...delays) <= CLOSED_MS, String(delays))
      await operate(a, 'DELETE', `/api/v1/bans/user:${caller.user}`)
    }
    chat.speak('after')
    t.ok(await until(() => innocent.every(({ text }) => text().includes('after')), SOON_MS), 'others read on')
    t.ok(innocent.every(({ endedAt }) => endedAt() === undefined))
  })
}

t.test('who was seen on an address by one instance shields it from a ban by the other', async (t) => {
  const policy = `${PATIENT}bans: { address: { sharedBy: 3, within: 1h } }\n`
  const { pair: [a, b], servers: [redis] } = await startStage(t, 'one Redis', policy)
  const places = { office: { ip: '203.0.113.1', users: 4 }, home: { ip: '203.0.113.2', users: 3 } }
  for (const { ip, users } of Object.values(places)) {
    for (let i = 0; i < users; i++) t.equal(await statusOf(b, { user: `${ip}-${i}`, ip }), 200)
    const told = async () => await redis?.cli('ZCARD', `portcullis:1:{ip:${ip}}:seen`) === String(users)
    t.ok(await until(told, SOON_MS), 'told in the background')
    t.ok(await placeBy.violation(a, { user: `culprit-${ip}`, ip }))
    t.equal(await statusOf(a, { user: `culprit-${ip}`, ip: '203.0.113.9' }), 403, 'he is banned, wherever he goes')
  }
  for (const product of [a, b]) {
    t.ok(await until(async () => await statusOf(product, { user: 'visitor', ip: places.home.ip }) === 403, SOON_MS), 'few')
    t.equal(await statusOf(product, { user: 'visitor', ip: places.office.ip }), 200, 'many others use it')
  }
})
