/** Two gateways, as users run them, in front of a backend and on one Redis, whatever its topology. */
import { createHmac } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { startBackend, until } from '../helpers/backends.js'
import { start } from '../helpers/process.js'

const SECRET = 'chaos-secret'
const ADMIN_TOKEN = 'chaos-admin-token-0123456789'
/** Two gateways that start at once on a busy machine. */
const READY_MS = 60_000

/** What `small` admits. `/plain` has no rule: it shows what the machine does at the moment, without Redis. */
export const SMALL_MAX = 5
/** Requests to `/flood` that bring a ban. */
export const FLOOD_STEPS = 20

const policyFor = (deadline: string) => `
version: 1
preset: generic
store: { deadline: ${deadline}, onFailure: local }
bans: { interval: 1000000, address: { enabled: false } }
limiters:
  local: { key: user, max: 1000000, window: 10m }
  open: { key: user, max: 1000000, window: 10m, onFailure: open }
  closed: { key: user, max: 1000000, window: 10m, onFailure: closed }
  small: { key: user, max: ${SMALL_MAX}, window: 10m }
  counted: { key: user, max: 0, window: 1m, violation: counted, score: 1 }
  told: { key: user, max: 0, window: 1m, violation: counted, score: 0, onFailure: closed }
  flood: { key: user, max: 0, window: 1m, violation: flood, score: ${1_000_000 / FLOOD_STEPS} }
concurrency:
  slots: { key: user, max: 2, lease: 5m, onFailure: closed }
routes:
  - { match: GET /local, limit: [local] }
  - { match: GET /open, limit: [open] }
  - { match: GET /closed, limit: [closed] }
  - { match: GET /small, limit: [small] }
  - { match: GET /offend, limit: [counted], reply: librechat-json }
  - { match: GET /told, limit: [told], reply: librechat-json }
  - { match: GET /flood, limit: [flood] }
  - { match: GET /slow, concurrency: slots }
`

export interface Gateway {
  readonly url: string
  /** Whether rules decide without Redis right now. */
  isAway (): Promise<boolean>
  /** Whether it says that all is well. */
  isReady (): Promise<boolean>
  /** The value of a sample, 0 when it is not there. */
  sample (name: string): Promise<number>
  ban (user: string): Promise<void>
}

export interface Stage {
  readonly gateways: readonly [Gateway, Gateway]
  /** Answers of `/slow?…` that wait to be ended, by their target. */
  readonly held: ReadonlyMap<string, ServerResponse>
  /** One more gateway, which knows nothing but what it finds in Redis. Resolves when it says that all is well. */
  another (): Promise<Gateway>
}

export interface StageOptions {
  readonly redisUri: string
  /** As it stands in a policy. */
  readonly deadline: string
}

/** Resolves when both find Redis; gone with the test. */
export async function startStage (t: Test, { redisUri, deadline }: StageOptions): Promise<Stage> {
  const held = new Map<string, ServerResponse>()
  const backend = await startBackend(t, (request, response) => {
    request.resume()
    const { url = '' } = request
    if (!url.startsWith('/slow')) return response.end('ok')
    response.write('begun, ')
    held.set(url, response)
    response.once('close', () => held.delete(url))
  })
  const env = { UPSTREAM_URL: backend.url, REDIS_URI: redisUri }
  const another = async () => {
    const gateway = await startGateway(t, policyFor(deadline), env)
    if (!await until(gateway.isReady, READY_MS)) throw new Error('The gateway did not find Redis.')
    return gateway
  }
  const gateways = await Promise.all([another(), another()])
  return { gateways, held, another }
}

/** Whether something holds of every one. */
export async function all<T> (items: readonly T[], holds: (item: T) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(items.map(holds))).every(Boolean)
}

/** The sum of a sample over both. */
export async function sum (gateways: readonly Gateway[], sample: string): Promise<number> {
  const values = await Promise.all(gateways.map((gateway) => gateway.sample(sample)))
  return values.reduce((total, value) => total + value, 0)
}

/** Signs a user in. */
export function bearer (user: string): { authorization: string } {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256' })}.${encode({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  return { authorization: `Bearer ${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}` }
}

async function startGateway (t: Test, policy: string, env: Record<string, string>): Promise<Gateway> {
  const cwd = await mkdtemp(join(tmpdir(), 'chaos-'))
  t.teardown(() => rm(cwd, { recursive: true, force: true }))
  await mkdir(join(cwd, 'config'))
  await writeFile(join(cwd, 'config', 'portcullis.yaml'), policy)
  const { url, admin } = await start(t, { cwd, env: { JWT_SECRET: SECRET, ADMIN_TOKEN, LOG_LEVEL: 'info', ...env } })
  const sample = async (name: string) => {
    const metrics = await (await fetch(`${admin}/metrics`)).text()
    const line = metrics.split('\n').find((one) => one.startsWith(`${name} `))
    return Number(line?.slice(name.length + 1) ?? 0)
  }
  return {
    url,
    sample,
    isAway: async () => await sample('portcullis_store_away') === 1,
    isReady: async () => (await (await fetch(`${admin}/readyz`)).json() as { status: string }).status === 'ready',
    ban: async (user) => {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ user, duration: '2h' })
      const { status } = await fetch(`${admin}/api/v1/bans`, { method: 'POST', headers, body })
      if (status !== 201) throw new Error(`No ban: ${status}`)
    },
  }
}
