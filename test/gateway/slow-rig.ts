import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createLearntAccounts } from '../../src/accounts/accounts.js'
import { createPublicSide } from '../../src/assembly/public-side.js'
import { createBanBook } from '../../src/bans/bans.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { openMemoryStores } from '../../src/stores/memory/as-stores.js'
import { createHealth } from '../../src/telemetry/health.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import type { ViolationRecord } from '../../src/violations/contract.js'
import { startBackend, until } from '../helpers/backends.js'
import { JWT_REFRESH_SECRET, JWT_SECRET, testClock, testLog } from '../helpers/product.js'
import { createConnection, slowCounters, slowLeases, slowScores } from '../helpers/slow-stores.js'

const BROWSER = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** What a signed-in person's browser sends. */
export function browserOf (id: string) {
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ id, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  const token = `${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}`
  return { authorization: `Bearer ${token}`, 'user-agent': BROWSER }
}

export interface SlowOptions {
  readonly policy: string
  /** What the backend does; else it answers at once. */
  answer? (request: IncomingMessage, response: ServerResponse): void
}

/** The gateway in front of a backend, with stores that answer later: memory behind a connection of the test's own. */
export async function startSlow (t: Test, { policy: text, answer }: SlowOptions) {
  const connection = createConnection()
  /** What reached the backend, each with the calls that the stores had seen by then. */
  const reached: { readonly target: string, readonly calls: readonly string[] }[] = []
  const backend = await startBackend(t, (request, response) => {
    reached.push({ target: `${request.method} ${request.url}`, calls: [...connection.sent] })
    if (answer !== undefined) return answer(request, response)
    request.resume().on('end', () => response.end('backend'))
  })
  const dir = await mkdtemp(join(tmpdir(), 'portcullis-slow-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const policyFile = join(dir, 'policy.yaml')
  await writeFile(policyFile, text)
  const env = { UPSTREAM_URL: backend.url, JWT_SECRET, JWT_REFRESH_SECRET }
  const { policy } = await loadPolicy({ env, cwd: dir, policyFile })
  const clock = testClock()
  const log = testLog()
  const memory = await openMemoryStores({ dataDir: dir, clock, log, retentionMs: policy.retentionMs })
  const stores = {
    ...memory,
    counters: slowCounters(memory.counters, connection),
    leases: slowLeases(memory.leases, connection),
    scores: slowScores(memory.scores, connection),
  }
  const bans = createBanBook({ store: stores.bans, clock, log })
  await bans.start()
  const metrics = createMetrics()
  const journal: ViolationRecord[] = []
  const side = await createPublicSide({
    policy,
    foundation: { stores, bans, metrics, health: createHealth(), close: async () => {} },
    journal: { append: (record) => { journal.push(record) } },
    accounts: createLearntAccounts(),
    clock,
    log,
  })
  await side.gateway.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = side.gateway.app.server.address() as AddressInfo
  let closed: Promise<void> | undefined
  const close = async () => {
    closed ??= side.drain(1000)
    await closed
  }
  t.teardown(async () => {
    connection.resume()
    await close()
    await bans.close()
    await memory.close()
  })
  return {
    connection, reached, bans, clock, log, journal, port, close,
    sockets: side.gateway.sockets,
    /** Sends a request of a signed-in browser. */
    send: (path: string, { user = 'ann', ...init }: RequestInit & { user?: string, headers?: Record<string, string> } = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST', ...init, headers: { ...browserOf(user), ...init.headers } }),
    /** Waits for the store to be asked. */
    asked: (call: string) => until(() => connection.sent.includes(call)),
    /** What the store holds for a user, whatever else is slow. */
    held: async (user: string, rule: string) => (await memory.leases.list(`user:${user}`, rule, clock())).records.length,
    scores: async (subject: string) => (await memory.scores.list(subject)).map(({ type, score }) => ({ type, score })),
    /** How many requests ended like this. */
    ended: async (verdict: string) => {
      const lines = (await metrics.render()).split('\n')
      const counts = lines.filter((line) => line.startsWith('portcullis_requests_total') && line.includes(`verdict="${verdict}"`))
      return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
    },
  }
}
