import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createAdminListener } from '../../src/admin/admin.js'
import type { NamedToken } from '../../src/admin/admin-token.js'
import { createAccess, createAddressUsers, createBanBook } from '../../src/bans/bans.js'
import { createMemoryStores } from '../../src/stores/memory/memory-stores.js'
import { createHealth } from '../../src/telemetry/health.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { HOUR, keptLog, manualClock } from '../bans/ban-rig.js'
import { accessRules } from '../bans/exchange-rig.js'

export const WRITE = 'write-token-0123456789'
export const READ = 'read-token-0123456789'
const TOKENS: NamedToken[] = [
  { name: 'admin', scope: 'write', token: WRITE }, { name: 'viewer', scope: 'read', token: READ },
]

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body parsed; undefined when it is no JSON. */
  readonly json: Record<string, unknown> | undefined
}

export interface Ask {
  readonly method?: string
  /** Sent as the bearer; the write token when absent, none when null. */
  readonly token?: string | null
  readonly headers?: Record<string, string>
  /** An object travels as JSON, text as it is. */
  readonly body?: object | string
}

/** A listener on a free port with real stores; everything is taken down with the test. */
export async function startAdmin (t: Test, rules: Parameters<typeof accessRules>[0] = {}) {
  const clock = manualClock()
  const log = keptLog()
  const dataDir = await mkdtemp(join(tmpdir(), 'portcullis-admin-'))
  const stores = await createMemoryStores({ dataDir, clock: clock.read, log, retentionMs: 90 * 24 * HOUR })
  const bans = createBanBook({ store: stores.bans, clock: clock.read, log })
  await bans.start()
  const health = createHealth()
  const metrics = createMetrics({ processMetrics: false })
  const addressUsers = createAddressUsers()
  const access = createAccess(accessRules(rules))
  const app = await createAdminListener({
    host: '127.0.0.1',
    allowedHosts: ['Admin.Example.org', 'other.example.org:9090'],
    tokens: TOKENS,
    version: '1.2.3',
    bans,
    scores: stores.scores,
    suspensions: stores.suspensions,
    leases: stores.leases,
    addressUsers,
    leaseRules: () => ['messages'],
    access: () => access,
    ipv6Prefix: () => 64,
    clock: clock.read,
    log,
    health,
    metrics,
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    await app.close()
    await bans.close()
    await stores.close()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
  })
  const { port } = app.server.address() as AddressInfo
  const askHere = (path: string, options?: Ask) => ask(port, path, options)
  return { port, clock, log, stores, bans, addressUsers, health, metrics, ask: askHere }
}

function ask (port: number, path: string, { method = 'GET', token = WRITE, headers = {}, body }: Ask = {}): Promise<Answer> {
  const json = typeof body === 'object'
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(json ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
    }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parse(text) })
      })
    })
    request.on('error', reject).end(json ? JSON.stringify(body) : body)
  })
}

function parse (text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
