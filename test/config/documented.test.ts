/** The moderation blocks that both apps document, as every way of passing them on hands them over. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { printedPolicy } from './printed-policy.js'

const folder = join(import.meta.dirname, 'documented')
const fixture = (file: string) => readFileSync(join(folder, file), 'utf8')

type Env = Readonly<Record<string, string>>
type Read = (text: string) => Env

const assignments = (text: string) => text.split('\n').flatMap((line) => {
  const at = line.indexOf('=')
  return line.startsWith('#') || at === -1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const]
})
/** `docker run --env-file`, and what reads it that way: a value is all that follows the sign, its comment included. */
const raw: Read = (text) => Object.fromEntries(assignments(text))
/** `env_file:` of compose: an unquoted value ends where white space and a number sign begin. */
const compose: Read = (text) => Object.fromEntries(
  assignments(text).map(([name, value]) => [name, value.replace(/\s+#.*$/, '').trim()]))

const secrets = { JWT_SECRET: 's', JWT_REFRESH_SECRET: 'r', MONGO_URI: 'mongodb://127.0.0.1:1/chat', UPSTREAM_URL: 'http://chat:3080' }
const openid = { OPENID_ISSUER: 'https://hanzo.id', OPENID_CLIENT_ID: 'chat' }

/** What both apps document, whichever file says it. */
const common: Readonly<Record<string, string | undefined>> = {
  loginIp: 'ip 7 5m logins 1',
  registerIp: 'ip 5 1h registrations 1',
  twoFactorIp: 'ip 7 5m logins 1',
  messageIp: 'ip 40 1m message_limit 1',
  messageUser: undefined,
  importIp: 'ip 100 1m file_upload_limit 0',
  importUser: undefined,
  forkIp: 'ip 30 1m file_upload_limit 0',
  forkUser: undefined,
  uploadIp: 'ip 100 15m file_upload_limit 0',
  uploadUser: 'user 50 15m file_upload_limit 0',
  ttsIp: 'ip 100 1m tts_limit 0',
  sttUser: 'user 50 1m stt_limit 0',
  toolCallUser: 'user 1 1s tool_call_limit 0',
  messages: 'user 2 5m concurrent 1',
}
/** What the yaml examples change: hours for files and imports, whose user limit they switch on. */
const hourly: Readonly<Record<string, string | undefined>> = {
  ...common,
  uploadIp: 'ip 100 1h file_upload_limit 0',
  uploadUser: 'user 50 1h file_upload_limit 0',
  importIp: 'ip 100 1h file_upload_limit 0',
  importUser: 'user 50 1h file_upload_limit 0',
}

const documented = [
  { app: 'librechat', env: 'librechat.env', yaml: 'librechat.yaml', more: secrets },
  { app: 'hanzo-chat', env: 'hanzo-chat.env', yaml: 'chat.yaml', more: { ...secrets, ...openid } },
]

for (const { app, env, yaml, more } of documented) {
  const base = { ...more, PORTCULLIS_PRESET: app }
  const text = fixture(env)
  const printed = async (t: { testdir (files: Record<string, string>): string }, given: Env, files = {}) =>
    await printedPolicy({ env: { ...base, ...given }, cwd: t.testdir(files) })

  t.test(`${app}: the documented .env means the same by the rules of compose, raw, and as our own .env`, async (t) => {
    const readings = {
      compose: await printed(t, compose(text)),
      raw: await printed(t, raw(text)),
      own: await printed(t, {}, { '.env': text }),
      windows: await printed(t, {}, { '.env': text.replaceAll('\n', '\r\n') }),
    }
    for (const [name, read] of Object.entries(readings)) {
      t.equal(read.code, 0, `${name}: ${read.errors}`)
      t.equal(read.bans, 'bans: every 20 points (type), for 2h; scores run out after 1h', name)
      for (const [rule, wanted] of Object.entries(common)) t.equal(read.ruleOf(rule), wanted, `${name}: ${rule}`)
      t.strictSame(read.warnings, [], name)
      t.equal(read.text, readings.compose.text, `${name}: not a word differs`)
    }
  })

  t.test(`${app}: the comments really stand in the raw values`, async (t) => {
    t.match(raw(text)['BAN_DURATION'], /# ban duration 2h/)
    t.notMatch(compose(text)['BAN_DURATION'], /#/)
    t.match(raw(text)['LOGIN_WINDOW'], /^5\s+#/)
  })

  t.test(`${app}: the documented rateLimits count, and leave all else alone`, async (t) => {
    const { code, errors, ruleOf, warnings } = await printed(t, {}, { [yaml]: fixture(yaml) })
    t.equal(code, 0, errors)
    for (const [rule, wanted] of Object.entries(hourly)) t.equal(ruleOf(rule), wanted, rule)
    t.strictSame(warnings, [])
  })

  t.test(`${app}: both together; a switch that the .env sets to false is meant`, async (t) => {
    const { code, ruleOf } = await printed(t, raw(text), { [yaml]: fixture(yaml) })
    t.equal(code, 0)
    const isOff = text.includes('LIMIT_IMPORT_USER=false')
    const together = { ...hourly, ...isOff ? { importUser: undefined } : {} }
    for (const [rule, wanted] of Object.entries(together)) t.equal(ruleOf(rule), wanted, rule)
    const elsewhere = await printed(t, { CONFIG_PATH: join(folder, yaml) })
    t.equal(elsewhere.ruleOf('uploadUser'), hourly['uploadUser'], 'CONFIG_PATH leads to it too')
  })

  t.test(`${app}: every number of the documented .env reaches its limiter`, async (t) => {
    const changed = { ...raw(text), LOGIN_MAX: '3  # three', MESSAGE_IP_WINDOW: '2 # min', LIMIT_MESSAGE_USER: 'true # on', CONCURRENT_MESSAGE_MAX: '4 # four', BAN_INTERVAL: '10 # ten', BAN_DURATION: '1000 * 60 * 30   # half an hour' }
    const { ruleOf, bans } = await printed(t, changed)
    t.equal(ruleOf('loginIp'), 'ip 3 5m logins 1')
    t.equal(ruleOf('messageIp'), 'ip 40 2m message_limit 1')
    t.equal(ruleOf('messageUser'), 'user 40 1m message_limit 1')
    t.equal(ruleOf('messages'), 'user 4 5m concurrent 1')
    t.equal(bans, 'bans: every 10 points (type), for 30m; scores run out after 1h')
  })
}
