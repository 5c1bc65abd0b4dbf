import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { until } from './backends.js'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
/** Who does not run by then will not. */
const READY_MS = 60_000

export interface Place {
  /** Where `config/` and `data/` are looked for. */
  readonly cwd: string
  /** All of the environment besides PATH. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Run {
  readonly child: ChildProcess
  /** All that it wrote so far, to both streams. */
  readonly output: () => string
  /** Its exit code; null: a signal ended it. */
  readonly exit: Promise<number | null>
}

export interface Running extends Run {
  readonly url: string
  readonly admin: string
}

/** The built command, as a user runs it; gone with the test. */
export function run (t: Test, args: readonly string[], { cwd, env = {} }: Place): Run {
  const { PATH = '' } = process.env
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env: { PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => { output += data.toString() })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
  })
  return { child, output: () => output, exit }
}

/** `portcullis start` on free ports of 127.0.0.1; resolves when it says that it runs. */
export async function start (t: Test, { cwd, env }: Place): Promise<Running> {
  const ports = { GATEWAY_PORT: '0', ADMIN_PORT: '0', GATEWAY_HOST: '127.0.0.1' }
  const started = run(t, ['start'], { cwd, env: { ...ports, ...env } })
  const line = () => started.output().split('\n').find((one) => one.includes('portcullis is running'))
  await until(() => line() !== undefined || started.child.exitCode !== null, READY_MS)
  if (line() === undefined) throw new Error(started.output())
  const { gateway, admin } = JSON.parse(line() ?? '{}') as { gateway: string, admin: string }
  return { ...started, url: gateway, admin }
}
