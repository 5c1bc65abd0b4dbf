import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { createPortcullis, type Portcullis } from '../../src/portcullis.js'

export const JWT_SECRET = 'access-secret'
export const JWT_REFRESH_SECRET = 'refresh-secret'

/** A clock that moves only when it is told to. */
export interface TestClock {
  (): number
  advance (ms: number): void
}

export function testClock (start = Date.now()): TestClock {
  let now = start
  return Object.assign(() => now, { advance: (ms: number) => { now += ms } })
}

/** What the gateway logged, as objects. */
export interface LogLine { readonly level: string, readonly message: string, readonly [key: string]: unknown }

export function testLog () {
  const lines: LogLine[] = []
  const at = (level: string) => (details: object, message: string) => { lines.push({ ...details, level, message }) }
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}

export interface ProductOptions {
  readonly upstream: string
  /** Environment beside upstream, secrets and ports. */
  readonly env?: Readonly<Record<string, string>>
  /** Text of config/portcullis.yaml. */
  readonly policy?: string
  readonly clock?: TestClock
  /** To start again where another product left off. */
  readonly dataDir?: string
  /** As in `REDIS_URI`, with a prefix so that tests may share a server; several products on both are one gateway. */
  readonly redis?: { readonly url: string, readonly prefix?: string }
  /** As in `MONGO_URI`. */
  readonly mongoUri?: string
  /** Whose clock Redis goes by: the test's own (the default), or the server's, which then is the product's too. */
  readonly time?: 'caller' | 'server'
}

export interface Product {
  readonly url: string
  readonly adminUrl: string
  readonly adminToken: string
  readonly clock: TestClock
  readonly log: ReturnType<typeof testLog>
  readonly dataDir: string
  readonly portcullis: Portcullis
  /** Puts another policy in force. */
  reload (policy: string): Promise<void>
  close (): Promise<void>
}

/** The whole product on real sockets and a clock of the test's own; ends with the test. */
export async function startProduct (t: Test, options: ProductOptions): Promise<Product> {
  const cwd = await mkdtemp(join(tmpdir(), 'portcullis-'))
  const dataDir = options.dataDir ?? join(cwd, 'data')
  const adminToken = 'test-admin-token-0123456789'
  const policyFile = join(cwd, 'policy.yaml')
  const env = {
    UPSTREAM_URL: options.upstream, JWT_SECRET, JWT_REFRESH_SECRET, ADMIN_TOKEN: adminToken, DATA_DIR: dataDir,
    GATEWAY_HOST: '127.0.0.1', GATEWAY_PORT: '0', ADMIN_PORT: '0', ...storesOf(options), ...options.env,
  }
  const load = async (text: string) => {
    await writeFile(policyFile, text)
    return await loadPolicy({ env, cwd, policyFile })
  }
  const { config, policy } = await load(options.policy ?? 'version: 1\n')
  const { time = 'caller' } = options
  const clock = options.clock ?? testClock()
  const log = testLog()
  const { settings } = config
  const now = time === 'server' ? Date.now : clock
  const portcullis = await createPortcullis({ settings, policy, clock: now, log, version: '0.0.0-test', time })
  const listening = await portcullis.listen()
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= portcullis.close(0)
    return closed
  }
  t.teardown(async () => {
    await close()
    await rm(cwd, { recursive: true, force: true })
  })
  return {
    url: listening.gateway, adminUrl: listening.admin, adminToken, clock, log, dataDir, portcullis, close,
    reload: async (text) => portcullis.reload((await load(text)).policy),
  }
}

function storesOf ({ redis, mongoUri }: ProductOptions): Record<string, string> {
  return {
    ...redis === undefined ? {} : { REDIS_URI: redis.url, REDIS_KEY_PREFIX: redis.prefix ?? '' },
    ...mongoUri === undefined ? {} : { MONGO_URI: mongoUri },
  }
}
