import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { until, type Teardown } from './backends.js'
import { quietPort } from './quiet-port.js'

/** A server that does not answer within this time will not. */
const READY_MS = 10_000
const run = promisify(execFile)

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** A folder of its own: its working directory. */
  readonly dir: string
  /** What redis-cli prints for a command, trimmed. Its arguments may begin with options of redis-cli itself. */
  cli (...args: string[]): Promise<string>
  /** SIGKILL; resolves when it is gone. */
  kill (): Promise<void>
  /** Again, with the same port, folder and arguments; resolves when it answers. */
  start (): Promise<void>
  /** SIGSTOP: connections stay open and nothing answers. */
  pause (): void
  resume (): void
}

export interface RedisOptions {
  /** More arguments, as they stand in redis.conf: `['--appendonly', 'yes']`. */
  readonly args?: readonly string[]
  readonly port?: number
  /** Arguments for redis-cli, where it must sign in to see whether the server answers. */
  readonly cliArgs?: readonly string[]
}

/** A real redis-server on a free port of 127.0.0.1 that keeps nothing on disk; gone with the test. */
export async function startRedis (t: Teardown, options: RedisOptions = {}): Promise<RedisServer> {
  const port = options.port ?? await quietPort()
  const dir = await mkdtemp(join(tmpdir(), 'redis-'))
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
    '--dir', dir, '--logfile', join(dir, 'redis.log'), '--daemonize', 'no', ...options.args ?? []]
  const server = createServer({ port, dir, args, cliArgs: options.cliArgs ?? [] })
  t.teardown(async () => {
    await server.kill()
    await rm(dir, { recursive: true, force: true })
  })
  await server.start()
  return server
}

interface Launch {
  readonly port: number
  readonly dir: string
  readonly args: readonly string[]
  readonly cliArgs: readonly string[]
}

function createServer ({ port, dir, args, cliArgs }: Launch): RedisServer {
  let process: ChildProcess | undefined
  const cli = async (...words: string[]) => {
    const { stdout } = await run('redis-cli', ['-h', '127.0.0.1', '-p', String(port), ...cliArgs, ...words])
    return stdout.trim()
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    dir,
    cli,
    kill: async () => {
      const victim = process
      process = undefined
      await end(victim)
    },
    start: async () => {
      if (process !== undefined) throw new Error('It runs already.')
      process = spawn('redis-server', args, { stdio: 'ignore' })
      const failed = watch(process)
      const isReady = await until(() => failed() || answers(cli), READY_MS)
      if (!isReady || failed()) throw new Error(`redis-server did not start:\n${await lastWords(dir)}`)
    },
    pause: () => { process?.kill('SIGSTOP') },
    resume: () => { process?.kill('SIGCONT') },
  }
}

/** Kills a process, paused or not; resolves when it is gone. */
export async function end (process: ChildProcess | undefined): Promise<void> {
  if (process === undefined || process.exitCode !== null || process.signalCode !== null) return
  const gone = once(process, 'exit')
  process.kill('SIGKILL')
  await gone
}

/** Whether a process ended, or never began, by itself. */
export function watch (process: ChildProcess): () => boolean {
  let hasEnded = false
  process.once('error', () => { hasEnded = true })
  process.once('exit', () => { hasEnded = true })
  return () => hasEnded
}

async function answers (cli: RedisServer['cli']): Promise<boolean> {
  return await cli('PING').then((answer) => answer === 'PONG', () => false)
}

async function lastWords (dir: string): Promise<string> {
  return await readFile(join(dir, 'redis.log'), 'utf8').catch(() => 'It said nothing; is redis-server on the PATH?')
}
