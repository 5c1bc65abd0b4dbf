import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { MongoClient } from 'mongodb'
import { until, type Teardown } from './backends.js'
import { quietPort } from './quiet-port.js'
import { end, watch } from './redis.js'

const READY_MS = 20_000

export interface MongoServer {
  /** With a database of its own: `mongodb://127.0.0.1:<port>/<name>`. */
  readonly uri: string
  /** SIGKILL; resolves when it is gone. Throws for a server that the tests did not start. */
  kill (): Promise<void>
  /** Again, with what it had on disk; resolves when it answers. */
  start (): Promise<void>
}

/**
 * A server that speaks MongoDB's protocol: the one of MONGO_TEST_URI, else a mongod of the PATH, else FerretDB on SQLite.
 * What the tests started is gone with the test.
 */
export async function startMongo (t: Teardown): Promise<MongoServer> {
  const name = `t${randomUUID().replaceAll('-', '')}`
  const given = process.env['MONGO_TEST_URI']
  if (given !== undefined && given !== '') return foreign(t, given, name)
  const dir = await mkdtemp(join(tmpdir(), 'mongo-'))
  const port = await quietPort()
  const server = createServer(`mongodb://127.0.0.1:${port}/${name}`, launchLine(dir, port))
  t.teardown(async () => {
    await server.kill()
    await rm(dir, { recursive: true, force: true })
  })
  await server.start()
  return server
}

/** Whether the tests run against FerretDB, which has no TTL, no partial indexes and no change streams. */
export function isFerret (): boolean {
  return !process.env['MONGO_TEST_URI'] && mongod() === undefined
}

function foreign (t: Teardown, given: string, name: string): MongoServer {
  const url = new URL(given)
  url.pathname = `/${name}`
  const refuse = async () => { throw new Error('MONGO_TEST_URI names a server that is not the tests\' own.') }
  t.teardown(async () => {
    const client = new MongoClient(url.href)
    await client.db().dropDatabase()
    await client.close()
  })
  return { uri: url.href, kill: refuse, start: refuse }
}

function mongod (): string | undefined {
  return (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'mongod')).find(existsSync)
}

function launchLine (dir: string, port: number): readonly [string, ...string[]] {
  const program = mongod()
  if (program !== undefined) return [program, '--dbpath', dir, '--port', String(port), '--bind_ip', '127.0.0.1', '--quiet']
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return [join(cache, 'portcullis-tests', 'ferretdb'), '--handler=sqlite', `--sqlite-url=file:${dir}/`,
    `--state-dir=${dir}`, `--listen-addr=127.0.0.1:${port}`, '--debug-addr=-', '--telemetry=disable', '--log-level=ERROR']
}

function createServer (uri: string, [program, ...args]: readonly [string, ...string[]]): MongoServer {
  let child: ChildProcess | undefined
  return {
    uri,
    kill: async () => {
      const victim = child
      child = undefined
      await end(victim)
    },
    start: async () => {
      if (child !== undefined) throw new Error('It runs already.')
      child = spawn(program, args, { stdio: 'ignore' })
      const hasEnded = watch(child)
      if (!await until(() => hasEnded() || answers(uri), READY_MS) || hasEnded()) {
        throw new Error(`${program} did not start; node test/prepare.js installs what is missing.`)
      }
    },
  }
}

async function answers (uri: string): Promise<boolean> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 200 })
  const isThere = await client.db().command({ ping: 1 }).then(() => true, () => false)
  await client.close()
  return isThere
}
