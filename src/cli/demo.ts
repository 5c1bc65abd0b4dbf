import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Settings } from '../config/config.js'
import { replaceFile } from '../files/saved-file.js'
import type { Terminal } from './terminal.js'

const PROGRAM = fileURLToPath(new URL('../demo/demo-process.js', import.meta.url))
const SECRETS = ['JWT_SECRET', 'JWT_REFRESH_SECRET'] as const

export interface Demo {
  /** What the gateway must know of it: `UPSTREAM_URL` and the secrets. */
  readonly env: Readonly<Record<string, string>>
  stop (): void
}

/** Starts the bundled demo chat backend as a process of its own, on a free port of the loopback interface. */
export async function startDemo ({ dataDir }: Settings, env: Terminal['env']): Promise<Demo> {
  const folder = join(dataDir, 'demo')
  await mkdir(folder, { recursive: true })
  const secrets = await secretsOf(join(folder, 'secrets.json'), env)
  const child = spawn(process.execPath, [PROGRAM, '--port', '0', '--data-file', join(folder, 'accounts.json')], {
    env: { ...env, ...secrets },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const url = await listeningUrl(child)
  return { env: { ...secrets, UPSTREAM_URL: url }, stop: () => { child.kill() } }
}

/** Kept over restarts, so that tokens and bans of yesterday still speak of the same people. */
async function secretsOf (file: string, env: Terminal['env']): Promise<Record<string, string>> {
  const kept = await readSecrets(file)
  const secrets = Object.fromEntries(SECRETS.map((name) =>
    [name, env[name] || kept[name] || randomBytes(32).toString('hex')]))
  await replaceFile(file, [JSON.stringify(secrets)], 0o600)
  return secrets
}

async function readSecrets (file: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Record<string, string>
  } catch {
    return {}
  }
}

async function listeningUrl (child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the demo backend has no output')
  const lines = createInterface({ input: child.stdout })
  const ended = once(child, 'exit').then(() => { throw new Error('the demo chat backend could not be started') })
  const [line] = await Promise.race([once(lines, 'line'), ended]) as [string]
  ended.catch(() => {})
  return (JSON.parse(line) as { listening: string }).listening
}
