import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import closeWithGrace from 'close-with-grace'
import { systemClock } from '../clock.js'
import type { AccessLine } from './access-log.js'
import { demoAccount } from './demo-account.js'
import { createDemoBackend } from './demo-backend.js'

const usage = `Usage: node demo-process.js [options]
  --host HOST           listen here (DEMO_HOST, 127.0.0.1)
  --port PORT           0: any free port (DEMO_PORT, 0)
  --data-file FILE      accounts survive in it (DEMO_DATA_FILE, none)
  --access-log FILE     one JSON line per request is appended (DEMO_ACCESS_LOG, none)
  --token-delay MS      between two words of an answer (DEMO_TOKEN_DELAY_MS, 40)
  --log                 log to standard error
JWT_SECRET and JWT_REFRESH_SECRET must be set in the environment.
`
const closeDelayMs = 2_000
const wrongUsage = 2

const settings = readSettings()
const backend = await createDemoBackend({
  ...settings,
  clock: systemClock,
  account: demoAccount,
  accessLog: settings.accessLogFile === undefined ? undefined : appendTo(settings.accessLogFile),
})
const listening = await backend.listen({ host: settings.host, port: settings.port })
process.stdout.write(`${JSON.stringify({ listening })}\n`)
leaveWithParent()

function readSettings () {
  // Empty means unset.
  const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''))
  const { values } = parseOrLeave()
  const jwtSecret = env['JWT_SECRET'] ?? ''
  const refreshSecret = env['JWT_REFRESH_SECRET'] ?? ''
  const port = Number(values.port ?? env['DEMO_PORT'] ?? 0)
  const tokenDelayMs = Number(values['token-delay'] ?? env['DEMO_TOKEN_DELAY_MS'] ?? 40)
  if (jwtSecret === '' || refreshSecret === '') leave('JWT_SECRET or JWT_REFRESH_SECRET is missing.')
  if (!Number.isInteger(port) || port < 0 || port > 65_535) leave('The port is no port.')
  if (!(tokenDelayMs >= 0)) leave('The token delay is no number of milliseconds.')
  return {
    jwtSecret,
    refreshSecret,
    port,
    tokenDelayMs,
    host: values.host ?? env['DEMO_HOST'] ?? '127.0.0.1',
    dataFile: values['data-file'] ?? env['DEMO_DATA_FILE'],
    accessLogFile: values['access-log'] ?? env['DEMO_ACCESS_LOG'],
    log: values.log ?? false,
  }
}

function parseOrLeave () {
  const text = { type: 'string' } as const
  const options = {
    host: text, port: text, 'data-file': text, 'access-log': text, 'token-delay': text, log: { type: 'boolean' },
  } as const
  try {
    return parseArgs({ options })
  } catch (error) {
    return leave(error instanceof Error ? error.message : String(error))
  }
}

function leave (message: string): never {
  process.stderr.write(`${message}\n${usage}`)
  process.exit(wrongUsage)
}

/** Synchronous, so that a line is in the file before its answer leaves, even if we are killed next. */
function appendTo (file: string): (line: AccessLine) => void {
  mkdirSync(dirname(file), { recursive: true })
  return (line) => appendFileSync(file, `${JSON.stringify(line)}\n`)
}

/**
 * With a parent, its end or its SIGTERM is ours; a Ctrl-C in the terminal reaches both of us, and then the
 * parent still has answers to let end. On our own, Ctrl-C ends us too.
 */
function leaveWithParent (): void {
  const grace = closeWithGrace({ delay: closeDelayMs, skip: process.connected ? ['SIGINT'] : [] }, async ({ err }) => {
    if (err !== undefined) process.stderr.write(`${err.stack ?? err.message}\n`)
    await backend.close()
  })
  if (!process.connected) return
  process.on('SIGINT', () => {})
  process.on('disconnect', () => grace.close())
}
