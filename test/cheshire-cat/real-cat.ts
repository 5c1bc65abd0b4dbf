import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { freePort, until } from '../helpers/backends.js'
import { end, watch } from '../helpers/redis.js'
import { catPath, hasPython } from '../prepare/cheshire-cat.js'
import { CAT_SECRET } from './tokens.js'

const HOME = catPath()
export const SITE_KEY = 'the-key-of-the-whole-site'
/** A Cat that does not answer within this time will not. */
const READY_MS = 60_000
/** What `ccat` does, on the loopback interface alone. */
const LAUNCH = `
import uvicorn
from cat import config
from cat.scaffold import scaffolder
scaffolder.setup_project()
uvicorn.run("cat.startup:cheshire_cat_api", host="127.0.0.1", port=int(config.PORT), ws="none", log_level="warning")
`
/** Reads one JSON value a line, each with the name of its type; says of each whether the Cat's own types take it. */
const VALIDATE = `
import json, sys
from ag_ui.core.events import Event
from pydantic import TypeAdapter
from cat.types import TaskResult
kinds = {"task": TypeAdapter(TaskResult), "event": TypeAdapter(Event)}
for line in sys.stdin:
    kind, value = json.loads(line)
    try:
        kinds[kind].validate_python(value)
        print("taken")
    except ValueError as error:
        print(json.dumps(str(error)))
`

export interface RealCat {
  readonly url: string
  /** What the Cat's own types say to each of these values: `taken`, or what is wrong with it. */
  verdicts (values: ReadonlyArray<readonly ['task' | 'event', unknown]>): Promise<string[]>
}

/** Whether there should be one: wherever there is a Python to install it with. Throws where it is not installed then. */
export function hasRealCat (): boolean {
  if (existsSync(HOME)) return true
  if (!hasPython()) return false
  throw new Error(`There is a Python, but no Cheshire Cat in ${HOME}: run node test/prepare.js.`)
}

/** A Cheshire Cat 2.x with a model at `modelUrl`, on SQLite in a folder of its own; gone with the test. */
export async function startRealCat (t: Test, modelUrl: string): Promise<RealCat> {
  const python = join(HOME, 'bin', 'python')
  const cwd = await mkdtemp(join(tmpdir(), 'cat-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  await writeFile(join(cwd, 'config.py'), configOf(url, port))
  for (const name of ['llms', 'ui', 'chats']) {
    await cp(join(await starterPlugins(), name), join(cwd, 'plugins', name), { recursive: true })
  }
  const { PATH = '' } = process.env
  const env = { PATH, HOME: cwd, VLLM_URL: modelUrl, PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(python, ['-c', LAUNCH], { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.on('data', (data: Buffer) => { output += data.toString() })
  t.teardown(async () => {
    await end(child)
    await rm(cwd, { recursive: true, force: true })
  })
  const hasEnded = watch(child)
  const answers = () => fetch(`${url}/status`).then(({ ok }) => ok, () => false)
  if (!await until(() => hasEnded() || answers(), READY_MS) || hasEnded()) throw new Error(`The Cat did not start: ${output}`)
  return { url, verdicts: (values) => validate(values, { python, cwd, env }) }
}

function configOf (url: string, port: number): string {
  const settings = { URL: url, PORT: port, API_KEY: SITE_KEY, JWT_SECRET: CAT_SECRET, DEFAULT_LLM: 'vllm:mad' }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  return [...lines, 'DEBUG = False', 'TELEMETRY = False', ''].join('\n')
}

async function starterPlugins (): Promise<string> {
  const lib = join(HOME, 'lib')
  const [version = ''] = await readdir(lib)
  return join(lib, version, 'site-packages', 'cat', 'scaffold', 'plugins')
}

interface Place { readonly python: string, readonly cwd: string, readonly env: Readonly<Record<string, string>> }

async function validate (
  values: ReadonlyArray<readonly [string, unknown]>, { python, cwd, env }: Place
): Promise<string[]> {
  const child = spawn(python, ['-c', VALIDATE], { cwd, env, stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(values.map((value) => JSON.stringify(value)).join('\n'))
  return (await text(child.stdout)).trim().split('\n')
}
