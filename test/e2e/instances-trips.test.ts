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
  sent: { key: user, max: 100, window: 10m, algorithm: sliding-window, after: content, onExceed: { suspend: 10m } }
content:
  words:
    checks:
      - { kind: keywords, list: [wicked], action: suspend }
      - { kind: keywords, list: [rude], action: refuse }
concurrency:
  answers: { key: user, max: 2, release: response }
routes:
  - { match: GET /limited, limit: [wideIp, wideUser] }
  - { match: GET /by-user, limit: [wideUser] }
  - { match: GET /many, limit: [wideIp, wideUser, wideBoth] }
  - { match: GET /tight, limit: [tight] }
  - { match: GET /taken, limit: [wideUser], concurrency: answers }
  - { match: POST /unread, limit: [wideUser], prompt: { text: /text } }
  - { match: POST /said, prompt: { text: /text }, content: words }
  - { match: POST /said-by-user, limit: [wideUser], prompt: { text: /text }, content: words }
  - { match: POST /said-often, limit: [wideUser, sent], prompt: { text: /text }, content: words }
  - { match: POST /said-and-taken, limit: [wideUser, sent], prompt: { text: /text }, content: words, concurrency: answers }
`

interface Case {
  readonly what: string
  readonly path: string
  readonly status: number
  readonly user?: string
  readonly text?: string
  readonly noted?: true
  readonly trips: Readonly<Record<(typeof TOPOLOGY_NAMES)[number], number>>
}

/** What is asked, and how many trips it may take before the backend sees it, or, where it is refused, at all. */
const CASES: readonly Case[] = [
  { what: 'no limit', path: '/free', status: 200, trips: { 'one Redis': 0, 'a Cluster': 0 } },
  { what: 'banned', path: '/limited', user: 'banned', status: 403, trips: { 'one Redis': 0, 'a Cluster': 0 } },
  { what: 'limited by user', path: '/by-user', status: 200, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'limited by address and user', path: '/limited', status: 200, trips: { 'one Redis': 1, 'a Cluster': 2 } },
  { what: 'three limiters', path: '/many', status: 200, trips: { 'one Redis': 1, 'a Cluster': 2 } },
  { what: 'refused and scored', path: '/tight', user: 'eager', status: 429, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'limited and a slot', path: '/taken', status: 200, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'a prompt that nothing looks at', path: '/unread', text: 'hi', status: 200, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'content alone', noted: true, path: '/said', text: 'hi', status: 200, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'limited, then content', noted: true, path: '/said-by-user', text: 'hi', status: 200, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'limited, content, limited', noted: true, path: '/said-often', text: 'hi', status: 200, trips: { 'one Redis': 2, 'a Cluster': 2 } },
  { what: 'limited, content, limited and a slot', noted: true, path: '/said-and-taken', text: 'hi', status: 200, trips: { 'one Redis': 2, 'a Cluster': 2 } },
  { what: 'refused by content', noted: true, path: '/said-by-user', text: 'rude', status: 400, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'suspended by content', path: '/said-by-user', text: 'wicked', user: 'naughty', status: 403, trips: { 'one Redis': 2, 'a Cluster': 2 } },
  { what: 'suspended already', path: '/said-often', text: 'hi', user: 'naughty', status: 403, trips: { 'one Redis': 1, 'a Cluster': 1 } },
  { what: 'a slot after the body', path: 'message', status: 200, trips: { 'one Redis': 2, 'a Cluster': 2 } },
]

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
    const send = async (path: string, { text, ...caller }: Caller & { text?: string }) => path === 'message'
      ? await say(product.url, caller)
      : await ask(`${product.url}${path}`, as(caller), text === undefined ? undefined : { text })
    await operate(product, 'POST', '/api/v1/bans', { user: 'banned', duration: '1h' })
    t.equal((await send('/tight', { user: 'eager' })).status, 200)
    for (const { what, path, status, trips: promised, noted = false, ...caller } of CASES) {
      const begun = trips
      before = NaN
      const answer = await send(path, { user: 'ann', ...caller })
      t.equal(answer.status, status, what)
      // That a message came is noted too, beside the way: nobody waits for that.
      const made = (status === 200 ? before : trips) - begun - (noted ? 1 : 0)
      t.equal(made, promised[topology], `${what}: ${made} before ${status === 200 ? 'forwarding' : 'refusing'}`)
      // What is given back after the answer is not part of the next.
      const slots = path.endsWith('taken') ? 1 : 0
      t.ok(await until(() => trips - begun >= made + slots + (noted ? 1 : 0), SOON_MS))
    }
  })
}
