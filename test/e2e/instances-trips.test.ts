import { Cluster, Redis } from 'ioredis'
import t from 'tap'
import { until } from '../helpers/backends.js'
import {
  allReady, as, ask, operate, PATIENT, say, SOON_MS, startChat, startInstance, TOPOLOGIES, TOPOLOGY_NAMES, type Caller,
} from './stage.js'

const POLICY = `${PATIENT}
limiters:
  tight: { key: user, max: 1, window: 10m, violation: flood, score: 1 }
  wideIp: { key: ip, max: 100, window: 10m }
  wideUser: { key: user, max: 100, window: 10m, algorithm: sliding-window }
  wideBoth: { key: [user, ip], max: 100, window: 10m, algorithm: gcra }
concurrency:
  answers: { key: user, max: 2, release: response }
routes:
  - { match: GET /limited, limit: [wideIp, wideUser] }
  - { match: GET /by-user, limit: [wideUser] }
  - { match: GET /many, limit: [wideIp, wideUser, wideBoth] }
  - { match: GET /tight, limit: [tight] }
  - { match: GET /taken, limit: [wideUser], concurrency: answers }
`

/** What is asked, and how many trips it may take before the backend sees it, or, where it is refused, at all. */
const CASES = [
  { what: 'no limit', path: '/free', status: 200, trips: { 'one Redis': 0, 'a Cluster': 0 } },
  { what: 'banned', path: '/limited', user: 'banned', status: 403, trips: { 'one Redis': 0, 'a Cluster': 0 } },
  { what: 'limited by user', path: '/by-user', status: 200, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'limited by address and user', path: '/limited', status: 200, trips: { 'one Redis': 1, 'a Cluster': 2 } },
  { what: 'three limiters', path: '/many', status: 200, trips: { 'one Redis': 1, 'a Cluster': 2 } },
  { what: 'refused and scored', path: '/tight', user: 'eager', status: 429, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'limited and a slot', path: '/taken', status: 200, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'a slot after the body', path: 'message', status: 200, trips: { 'one Redis': 2, 'a Cluster': 2 } },
] as const

/** Commands that went to Redis over connections for requests; on a Cluster an answer that redirects is not counted. */
let trips = 0

interface Client {
  readonly options: { readonly enableOfflineQueue?: boolean | undefined }
  sendCommand: (...args: never[]) => unknown
}

function countTrips (prototype: Client): void {
  const { sendCommand } = prototype
  prototype.sendCommand = function (this: Client, ...args) {
    // Only they queue nothing.
    if (this.options.enableOfflineQueue === false) trips++
    return sendCommand.apply(this, args)
  }
}

countTrips(Redis.prototype)
countTrips(Cluster.prototype)

for (const topology of TOPOLOGY_NAMES) {
  t.test(`with ${topology}, a request goes to Redis as seldom as promised`, async (t) => {
    const { url } = await TOPOLOGIES[topology](t)
    let before = 0
    const chat = await startChat(t, () => { before = trips })
    const product = await startInstance(t, { upstream: chat.url, policy: POLICY, redis: { url } })
    t.ok(await allReady([product]))
    const send = async (path: string, caller: Caller) => path === 'message'
      ? await say(product.url, caller)
      : await ask(`${product.url}${path}`, as(caller))
    await operate(product, 'POST', '/api/v1/bans', { user: 'banned', duration: '1h' })
    t.equal((await send('/tight', { user: 'eager' })).status, 200)
    for (const { what, path, status, trips: promised, ...caller } of CASES) {
      const begun = trips
      before = NaN
      const answer = await send(path, { user: 'ann', ...caller })
      t.equal(answer.status, status, what)
      const made = (status === 200 ? before : trips) - begun
      t.equal(made, promised[topology], `${what}: ${made} before ${status === 200 ? 'forwarding' : 'refusing'}`)
      // What is given back after the answer is not part of the next.
      const slots = path === '/taken' ? 1 : 0
      t.ok(await until(() => trips - begun >= made + slots, SOON_MS))
    }
  })
}
