import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { packageRoot } from '../../src/config/presets.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { printedPolicy } from './printed-policy.js'

const env = { UPSTREAM_URL: 'http://bot:3000', PORTCULLIS_PRESET: 'telegram-bot', TELEGRAM_WEBHOOK_SECRET: 's' }
const complete = { ...env, TELEGRAM_BOT_USERNAME: '@MyBot', ALLOWED_USER_IDS: '1, 2', ALLOWED_GROUP_IDS: '-3' }

async function load (t: Test, more: Record<string, string> = {}) {
  return (await loadPolicy({ cwd: t.testdir({}), env: { ...complete, ...more } })).policy
}

t.test('check prints the budget, bans off, and the one route', async (t) => {
  const printed = await printedPolicy({ env: complete, cwd: t.testdir({}) })
  t.equal(printed.code, 0, printed.errors)
  t.match(printed.bans, /^bans: off/)
  t.match(printed.ruleOf('globalRate'), /^global 10 1m/)
  t.match(printed.rowOf('globalRate'), { algorithm: 'sliding-window' })
  t.match(printed.rowOf('* /*'), { checks: /globalRate/, reply: 'telegram' })
  t.strictSame(printed.warnings, ['warning: no MONGO_URI: bans are listed by portcullis bans'])
})

t.test('the variables have the documented names and defaults', async (t) => {
  const policy = await load(t)
  t.match(policy.limiters.get('globalRate'), {
    key: ['global'], max: 10, windowMs: 60_000, algorithm: 'sliding-window', persist: true, violation: undefined,
    drop: { warnEveryMs: 60_000, message: 'Dude, slow down...' },
  })
  t.match(policy.access, {
    allowUsers: new Set(['1', '2']), allowGroups: new Set(['-3']), allowRequired: true,
    allowNotice: { message: 'Not authorized', everyMs: 60_000 },
  })
  t.match(policy.bans, { enabled: false, scoreAnonymous: false, address: { enabled: false } })
  t.match(policy.identity, [{ secretHeader: { name: 'x-telegram-bot-api-secret-token', value: 's', required: true } }])
  const [route] = policy.routes
  t.match(route, { once: { id: ['update_id'], knownMs: 86_400_000 }, reply: 'telegram', content: undefined })
  t.equal(policy.routes.length, 1)
  const set = await load(t, {
    GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE: '0', GLOBAL_RATE_LIMIT_WARNING: 'Easy, friend: {minutes}', ALLOWED_USER_IDS: '*',
  })
  t.match(set.limiters.get('globalRate'), { max: 0, drop: { message: 'Easy, friend: {minutes}' } })
  t.strictSame(set.access.allowUsers, new Set(['*']))
})

t.test('without the secret it does not start, and what else is missing is said', async (t) => {
  const unsafe = await printedPolicy({ env: { ...complete, TELEGRAM_WEBHOOK_SECRET: '' }, cwd: t.testdir({}) })
  t.equal(unsafe.code, 2)
  t.match(unsafe.errors, /TELEGRAM_WEBHOOK_SECRET/)
  const bare = await printedPolicy({ env, cwd: t.testdir({}) })
  t.equal(bare.code, 0, bare.errors)
  for (const name of ['TELEGRAM_BOT_USERNAME', 'ALLOWED_USER_IDS', 'ALLOWED_GROUP_IDS']) t.match(bare.warnings.join('\n'), name)
  for (const [name, value] of [['GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE', 'many'], ['JAILBREAK_TRUNCATE_LEN', '-1']] as const) {
    const wrong = await printedPolicy({ env: { ...complete, [name]: value }, cwd: t.testdir({}) })
    t.equal(wrong.code, 2)
    t.match(wrong.errors, name)
  }
})

t.test('the example stack: Telegram reaches the gateway alone, and it starts on the example\'s .env', async (t) => {
  const read = (name: string) => readFileSync(join(packageRoot(), 'docker/telegram-bot', name), 'utf8')
  interface Service { readonly ports?: readonly string[], readonly environment?: Readonly<Record<string, string>> }
  const servicesOf = (name: string) =>
    (parse(read(name).replace('!reset ', '')) as { services: Record<string, Service> }).services
  const [base, override] = [servicesOf('docker-compose.yml'), servicesOf('docker-compose.override.yml')]
  t.strictSame(base['bot']?.ports, ['127.0.0.1:3000:3000'])
  t.strictSame(override['bot']?.ports, [], 'the override takes the bot\'s port away')
  t.match(read('docker-compose.override.yml'), 'ports: !reset []')
  t.strictSame(override['gateway']?.ports, ['127.0.0.1:3000:8080'])
  const dotenv = parseEnv(read('.env.example')) as Record<string, string>
  const given = { ...dotenv, TELEGRAM_WEBHOOK_SECRET: 's', TELEGRAM_BOT_USERNAME: 'MyBot', ...override['gateway']?.environment }
  const printed = await printedPolicy({ env: given, cwd: t.testdir({}) })
  t.equal(printed.code, 0, printed.errors)
  t.match(printed.text, 'preset telegram-bot, mode enforce, upstream http://bot:3000')
  t.equal(printed.warnings.length, 3, 'nobody is on the lists, no MongoDB')
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'node_modules/grammy/package.json'), 'utf8')) as { version: string }
  t.match(read('bot/Dockerfile'), `grammy@${version}\n`, 'the bot of the tests')
})
