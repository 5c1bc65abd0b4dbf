import { spawn, type ChildProcess } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { request, type Agent, type IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { startBackend, until } from '../helpers/backends.js'
import { startRedis } from '../helpers/redis.js'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const SECRET = 'worker-secret'
const ADMIN_TOKEN = 'admin-token-of-the-workers'

/** `GET /few` passes twenty times. */
export const POLICY = `
preset: generic
store: { deadline: 5s, onFailure: closed }
limiters: { few: { key: ip, max: 20, window: 10m, violation: few, score: 0 } }
routes: [{ match: "GET /few", limit: [few] }]
`

/** A Redis and a backend of its own; `/slow` answers in two halves, a second apart. */
export async function surroundings (t: Test) {
  const [redis, backend] = await Promise.all([startRedis(t), startBackend(t, (req, res) => {
    req.resume()
    if (req.url === '/slow') {
      res.write('begun, ')
      setTimeout(() => res.end('done'), 1000)
    } else res.end('ok')
  })])
  const cwd = t.testdir({ config: { 'portcullis.yaml': POLICY } })
  return { redis, backend, cwd, env: { UPSTREAM_URL: backend.url, REDIS_URI: redis.url, REDIS_KEY_PREFIX: 'w' } }
}

export interface Line {
  readonly msg: string
  readonly pid: number
  /** undefined: the primary. */
  readonly worker?: number
  readonly [key: string]: unknown
}

export interface Tree {
  readonly child: ChildProcess
  readonly output: () => string
  /** What primary and workers logged so far. */
  readonly lines: () => Line[]
  readonly exit: Promise<number | null>
}

export interface RunningTree extends Tree {
  readonly url: string
  readonly port: number
  /** Process ids of the workers that live now, by their number. */
  pids (): Map<number, number>
  metrics (): Promise<string>
  ready (): Promise<{ status: string, checks: Record<string, { status: string, reason?: string }> }>
  admin (path: string, init?: { method: string, body?: object }): Promise<number>
}

export interface TreeOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly workers?: number
}

/** The built command with workers, as a user runs it; gone with the test. */
export function runTree (t: Test, { cwd, env, workers = 2 }: TreeOptions): Tree {
  const { PATH = '' } = process.env
  const ports = { GATEWAY_PORT: '0', ADMIN_PORT: '0', GATEWAY_HOST: '127.0.0.1', ADMIN_TOKEN, JWT_SECRET: SECRET }
  const child = spawn(process.execPath, [MAIN, 'start', '--workers', String(workers)], {
    cwd, env: { PATH, ...ports, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => { output += data.toString() })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
  })
  const lines = () => output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Line)
  return { child, output: () => output, lines, exit }
}

export async function startTree (t: Test, options: TreeOptions): Promise<RunningTree> {
  const tree = runTree(t, options)
  const begun = () => tree.lines().find(({ msg }) => msg.startsWith('portcullis is running'))
  await until(() => begun() !== undefined || tree.child.exitCode !== null, 30_000)
  const line = begun()
  if (line === undefined) throw new Error(tree.output())
  const { gateway, admin } = line as Line & { gateway: string, admin: string }
  return {
    ...tree,
    url: gateway,
    port: Number(new URL(gateway).port),
    pids: () => {
      const pids = new Map<number, number>()
      for (const { worker, pid } of tree.lines()) if (worker !== undefined && isAlive(pid)) pids.set(worker, pid)
      return pids
    },
    metrics: async () => await (await fetch(`${admin}/metrics`)).text(),
    ready: async () => await (await fetch(`${admin}/readyz`)).json() as Awaited<ReturnType<RunningTree['ready']>>,
    admin: async (path, init) => {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, ...init?.body && { 'content-type': 'application/json' } }
      const body = init?.body && JSON.stringify(init.body)
      return (await fetch(`${admin}${path}`, { ...init, headers, ...body && { body } } as RequestInit)).status
    },
  }
}

/** A process that is gone, or a zombie that nobody has waited for yet, takes no signal. */
export function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

export interface Asked {
  readonly status: number
  readonly body: string
}

/** One request on a connection of its own (or of an agent); rejects as the connection does. */
export async function ask (
  url: string, { headers = {}, agent = false }: { headers?: Record<string, string>, agent?: Agent | false } = {}
): Promise<Asked> {
  const sent = request(url, { headers, agent })
  sent.end()
  const [response] = await once(sent, 'response') as [IncomingMessage]
  let body = ''
  response.setEncoding('utf8').on('data', (chunk: string) => { body += chunk })
  await once(response, 'end')
  return { status: response.statusCode ?? 0, body }
}

/** Authorization of a user. */
export function bearer (id: string): Record<string, string> {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256' })}.${encode({ sub: id, exp: Math.floor(Date.now() / 1000) + 600 })}`
  return { authorization: `Bearer ${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}` }
}

/** The value of a sample, 0 when it is not there. */
export function sampleOf (metrics: string, name: string): number {
  return Number(metrics.split('\n').find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0)
}

export const timesOf = async <T> (count: number, one: (index: number) => Promise<T>): Promise<T[]> =>
  await Promise.all(Array.from({ length: count }, (_, index) => one(index)))
