import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Agent } from 'undici'
import { startBackend, until } from '../helpers/backends.js'
import type { Product } from '../helpers/product.js'
import type { RedisServer } from '../helpers/redis.js'
import { allReady, as, PATIENT, startPair, TOPOLOGIES, TOPOLOGY_NAMES, type Topology } from './stage.js'

const POLICY = `${PATIENT}preset: generic
bans: { interval: 20 }
limiters:
  hundred: { key: ip, max: 100, window: 10m, algorithm: fixed-window }
  byUser: { key: user, max: 100, window: 10m, algorithm: sliding-window }
  nothing: { key: user, max: 0, window: 1m, violation: flood, score: 1 }
routes:
  - { match: GET /by-address, limit: [hundred] }
  - { match: GET /by-user, limit: [byUser, hundred] }
  - { match: GET /nothing, limit: [nothing] }
`

interface Stage { readonly products: readonly Product[], readonly servers: readonly RedisServer[] }

async function startStage (t: Test, topology: Topology): Promise<Stage> {
  const { url, servers } = await TOPOLOGIES[topology](t)
  const backend = await startBackend(t, (_req, res) => { res.end('ok') })
  const products = await startPair(t, { upstream: backend.url, policy: POLICY, redis: { url } })
  t.ok(await allReady(products))
  return { products, servers }
}

interface Flood { readonly count: number, readonly path: string, readonly headers: Record<string, string> }

/** Sends `count` requests at once, by turns to each instance; answers how often each status came. */
async function flood (t: Test, { products }: Stage, { count, path, headers }: Flood) {
  const agent = new Agent({ connections: 200 })
  t.teardown(() => agent.destroy())
  const statuses = await Promise.all(Array.from({ length: count }, async (_, i) => {
    const { url } = products[i % products.length] as Product
    const answer = await agent.request({ origin: url, path, method: 'GET', headers })
    await answer.body.dump()
    return answer.statusCode
  }))
  return Map.groupBy(statuses, (status) => status)
}

const shown = ({ log }: Product) => log.lines.filter(({ level }) => level !== 'info').slice(0, 5)

interface Line { readonly violation_count: number, readonly ban?: boolean }

async function journalOf ({ dataDir }: Product): Promise<Line[]> {
  const text = await readFile(join(dataDir, 'logs.json'), 'utf8')
  return text.trim().split('\n').map((line) => JSON.parse(line) as Line)
}

for (const topology of TOPOLOGY_NAMES) {
  t.test(`two instances on ${topology} count as one: of 1,000 requests at once exactly max pass`, async (t) => {
    const stage = await startStage(t, topology)
    const byAddress = await flood(t, stage, { count: 1000, path: '/by-address', headers: { 'x-forwarded-for': '192.0.2.1' } })
    t.equal(byAddress.get(200)?.length, 100, 'one bucket')
    t.equal(byAddress.get(429)?.length, 900)
    const byUser = await flood(t, stage, { count: 1000, path: '/by-user', headers: as({ user: 'ann', ip: '192.0.2.2' }) })
    t.equal(byUser.get(200)?.length, 100, 'a user and an address')
    t.equal(byUser.get(429)?.length, 900)
  })

  t.test(`200 violations at once on two instances of ${topology} score exactly 200 and bring ten bans`, async (t) => {
    const stage = await startStage(t, topology)
    const { products, servers } = stage
    // Nobody is banned while all of them wait for their verdict, so that each is a violation.
    for (const server of servers) server.pause()
    const flooding = flood(t, stage, { count: 200, path: '/nothing', headers: as({ user: 'bob', ip: '192.0.2.3' }) })
    const connections = () => products.reduce((sum, { portcullis }) => sum + portcullis.gateway.sockets.size, 0)
    t.ok(await until(() => connections() >= 200))
    // A connection's request is on its heels.
    await new Promise((resolve) => { setTimeout(resolve, 300) })
    for (const server of servers) server.resume()
    t.same([...(await flooding).keys()], [429], JSON.stringify(products.map(shown)))
    await Promise.all(products.map((product) => product.close()))
    const lines = (await Promise.all(products.map(journalOf))).flat()
    t.equal(lines.length, 200)
    t.same(lines.map((line) => line.violation_count).sort((a, b) => a - b),
      Array.from({ length: 200 }, (_, i) => i + 1))
    t.equal(lines.filter(({ ban }) => ban === true).length, 10)
  })
}
