import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { catalogue } from '../../src/config/catalogue.js'
import { ConfigErrors, loadConfig, loadSettings } from '../../src/config/config.js'
import type { LoadOptions } from '../../src/config/config.js'

type Test = { testdir (files: Files): string }
type Files = Record<string, string>

const noMongo = 'no MONGO_URI: bans are listed by portcullis bans'

async function load (t: Test, { files = {}, ...options }: Partial<LoadOptions> & { files?: Files }) {
  return await loadConfig({ cwd: t.testdir(files), env: {}, ...options })
}

async function mistakesOf (t: Test, options: Partial<LoadOptions> & { files?: Files }): Promise<string[]> {
  const error = await load(t, options).then(() => undefined, (error: unknown) => error)
  if (error instanceof ConfigErrors) return error.message.split('\n')
  throw error ?? new Error('the configuration was accepted')
}

/** A policy file; `§{` stands for the beginning of a placeholder. */
const policyOf = (text: string): Files => ({ 'p.yaml': text.replaceAll('§', '$') })

t.test('without anything given the librechat preset stands with its documented numbers', async (t) => {
  const { document, settings, warnings } = await load(t, {})
  t.match(document, {
    version: 1,
    preset: 'librechat',
    mode: 'enforce',
    reply: 'librechat-json',
    bans: { enabled: true, duration: 7_200_000, interval: 20, scoreTtl: 3_600_000, scoreAnonymous: true },
    limits: { maxInspectedBody: 3 * 1024 * 1024, shutdownGrace: 30_000 },
    browser: { violation: 'non_browser', score: 20 },
    concurrency: { messages: { enabled: true, key: ['user'], max: 2, lease: 300_000, release: 'stream' } },
  })
  const limiters = Object.entries(document.limiters ?? {})
  const table = limiters.map(([name, { enabled, max, window, score, violation }]) =>
    [name, enabled !== false, max, (window ?? 0) / 60_000, score, violation].join(' '))
  t.strictSame(table, [
    'loginIp true 7 5 1 logins',
    'registerIp true 5 60 1 registrations',
    'resetRequestIp true 2 2 1 reset_password_limit',
    'resetSubmissionIp true 2 2 1 reset_password_limit',
    'verifyResendIp true 2 2 1 verify_email_limit',
    'verifySubmissionIp true 2 2 1 verify_email_limit',
    'twoFactorIp true 7 5 1 logins',
    'twoFactorUser true 7 5 1 logins',
    'messageIp true 40 1 1 message_limit',
    'messageUser false 40 1 1 message_limit',
    'importIp true 100 1 0 file_upload_limit',
    'importUser false 50 1 0 file_upload_limit',
    'forkIp true 30 1 0 file_upload_limit',
    'forkUser false 7 1 0 file_upload_limit',
    'convoReadUser true 120 1  ',
    'convoAccessUser true 20 1 0 convo_access',
    'shareIp true 100 1 0 share_limit',
    'shareUser true 60 1 0 share_limit',
    'uploadIp true 100 15 0 file_upload_limit',
    'uploadUser true 50 15 0 file_upload_limit',
    'fileUsageUser true 120 15 0 file_upload_limit',
    'ttsIp true 100 1 0 tts_limit',
    'ttsUser true 50 1 0 tts_limit',
    'sttIp true 100 1 0 stt_limit',
    'sttUser true 50 1 0 stt_limit',
    `toolCallUser true 1 ${1 / 60} 0 tool_call_limit`,
    'promptUseUser true 30 1  ',
    'pairingUser true 5 60  ',
    'agentEventUser true 40 1  ',
  ])
  t.match(settings, {
    gateway: { host: '0.0.0.0', port: 8080 },
    admin: { host: '127.0.0.1', port: 9090, token: undefined, allowedHosts: [] },
    policyFile: undefined,
    upstreamGiven: false,
  })
  t.ok(Object.isFrozen(document) && Object.isFrozen(document.limiters?.['loginIp']), 'nobody can change it')
  t.strictSame(warnings, [noMongo])
})

t.test('generic has no limiters and no browser check, and takes the user from sub', async (t) => {
  const { document, settings } = await load(t, { env: { PORTCULLIS_PRESET: 'generic', JWT_SECRET: 's3cret' } })
  t.equal(settings.preset, 'generic')
  t.equal(document.preset, 'generic')
  t.strictSame(document.limiters, {})
  t.strictSame(document.routes, [])
  t.equal(document.reply, 'problem')
  t.match(document.identity, [{ from: ['header:authorization:bearer'], jwt: { secret: 's3cret', claim: 'sub' } }])
})

t.test('the policy file chooses the preset before the environment does', async (t) => {
  const env = { PORTCULLIS_PRESET: 'librechat', PORTCULLIS_POLICY: 'p.yaml' }
  const { document } = await load(t, { env, files: policyOf('preset: generic') })
  t.equal(document.preset, 'generic')
  t.strictSame(await mistakesOf(t, { env: { PORTCULLIS_PRESET: 'generics' } }), [
    'environment PORTCULLIS_PRESET: found "generics", expected one of cheshire-cat, generic, hanzo-chat, librechat, open-webui, openai-api, telegram-bot, did you mean "generic"?',
  ])
})

t.test('maps merge, lists replace, routes go before those of the preset', async (t) => {
  const text = [
    'limiters:', '  messageIp: { max: 5 }', '  mine: { key: ip, max: 1, window: 1s }',
    'identity: []',
    'routes:', '  - { match: POST /mine, limit: [mine] }',
  ].join('\n')
  const config = await load(t, { files: policyOf(text), policyFile: 'p.yaml' })
  const { document } = config
  t.match(document.limiters?.['messageIp'], { max: 5, window: 60_000, violation: 'message_limit' })
  t.match(document.limiters?.['mine'], { max: 1, window: 1000 })
  t.strictSame(document.identity, [])
  t.equal(document.routes?.[0]?.match, 'POST /mine')
  t.equal(document.routes?.[1]?.match, 'POST /api/auth/login')
  t.strictSame(config.positionOf(['routes', 0, 'match']), { file: 'p.yaml', line: 6, col: 14 })
  t.match(config.positionOf(['routes', 1, 'match']).file, /presets\/librechat\.yaml$/)
  t.strictSame(config.positionOf(['limiters', 'mine', 'violation']), { file: 'p.yaml', line: 3, col: 9 }, 'the nearest')
  t.strictSame(config.mistake(['limiters', 'mine', 'key'], '"ipp"', 'one of ip, user', 'ip'), {
    file: 'p.yaml', line: 3, col: 16, key: 'limiters.mine.key', found: '"ipp"', expected: 'one of ip, user', suggestion: 'ip',
  })
})

t.test('a review\'s mistakes are reported along, but not those that follow from a reported one', async (t) => {
  const text = 'limiters:\n  a: { key: ip, max: many, window: 1m }\n  b: { key: ip, max: "§{LOGIN_MAX}", window: 1m }\n'
  const found = await mistakesOf(t, {
    files: policyOf(text),
    policyFile: 'p.yaml',
    env: { LOGIN_MAX: 'lots', UPSTREAM_URL: 'ftp://x' },
    review: ({ mistake }) => [
      mistake(['limiters', 'a', 'max'], 'nothing', 'a number'),
      mistake(['limiters', 'b'], 'no max', 'max'),
      mistake(['upstream', 'url'], '"ftp://x"', 'http://, https:// or unix:'),
    ],
  })
  t.strictSame(found, [
    'environment LOGIN_MAX: found "lots", expected a whole number, 0 or more',
    'environment UPSTREAM_URL: found "ftp://x", expected http://, https:// or unix: (for upstream.url)',
    'p.yaml:2:22 limiters.a.max: found "many", expected a whole number, 0 or more',
  ])
})

t.test('a policy file that was asked for must be there', async (t) => {
  t.strictSame(await mistakesOf(t, { env: { PORTCULLIS_POLICY: 'gone.yaml' } }), [
    'environment PORTCULLIS_POLICY: found "gone.yaml" (there is no such file), expected a policy file that can be read',
  ])
  t.match(await mistakesOf(t, { policyFile: 'gone.yaml' }), [/^gone\.yaml: found "gone\.yaml"/])
  t.match(await mistakesOf(t, { policyFile: '.' }), [/EISDIR/])
})

t.test('config/portcullis.yaml is read when it is there', async (t) => {
  const cwd = t.testdir({ config: { 'portcullis.yaml': 'mode: off' } })
  const { document, settings, watchFiles } = await loadConfig({ cwd, env: {} })
  t.equal(document.mode, 'off')
  t.equal(settings.policyFile, join(cwd, 'config/portcullis.yaml'))
  t.ok(watchFiles.includes(join(cwd, 'config/portcullis.yaml')))
})

t.test('arithmetic, units, inline comments and quotes are read wherever a variable comes from', async (t) => {
  const raw = {
    BAN_DURATION: '1000 * 60 * (30 + 30)   # an hour',
    VIOLATION_SCORE_TTL: '1h30m',
    BAN_VIOLATIONS: 'FALSE   # for now',
    BAN_INTERVAL: '"2 * 5"',
    LOGIN_MAX: ' 9 ',
    LOGIN_WINDOW: '2.5 # minutes',
    CONCURRENT_MESSAGE_MAX: '0',
    MESSAGE_IP_MAX: '',
    GATEWAY_TRUST_PROXY: 'loopback, 10.0.0.0/8',
    SCORE_ANONYMOUS: 'false',
  }
  const dotenv = Object.entries(raw).map(([name, text]) => `export ${name}=${text}\r\n`).join('')
  for (const source of [{ env: raw }, { files: { '.env': dotenv } }]) {
    const { document } = await load(t, source)
    const bans = { enabled: false, duration: 3_600_000, scoreTtl: 5_400_000, interval: 10, scoreAnonymous: false }
    t.match(document.bans, bans)
    t.match(document.limiters?.['loginIp'], { max: 9, window: 150_000 })
    t.equal(document.limiters?.['twoFactorIp']?.max, 9, 'falls back to login\'s')
    t.equal(document.limiters?.['messageIp']?.max, 40, 'empty is unset')
    t.equal(document.concurrency?.['messages']?.max, 1, 'at least 1')
    t.strictSame(document.client?.trustedProxies, ['loopback', '10.0.0.0/8'])
  }
  const none = await load(t, { env: { BAN_DURATION: '-1', VIOLATION_SCORE_TTL: '0' } })
  t.match(none.document.bans, { duration: -1, scoreTtl: 0 })
})

t.test('the environment outranks .env, and every mistake of both is told at once', async (t) => {
  const dotenv = '# ours\nLOGIN_MAX=3\nBAN_DURATION = 2 horas # long\nexport LIMIT_TTS="yes"\nREGISTER_WINDOW=0\n'
  const { document } = await load(t, { env: { LOGIN_MAX: '4' }, files: { '.env': 'LOGIN_MAX=3\nREGISTER_MAX=2' } })
  t.equal(document.limiters?.['loginIp']?.max, 4)
  t.equal(document.limiters?.['registerIp']?.max, 2)
  const files = { '.env': dotenv, ...policyOf('limitters: {}\nbans: { duration: "§{BAN_DURATION}" }') }
  const wrong = { GATEWAY_PORT: '99999', BAN_INTERVAL: '2 horas' }
  const found = await mistakesOf(t, { env: wrong, files, policyFile: 'p.yaml' })
  const told = [
    '.env:3:16 BAN_DURATION: found "2 horas", expected a duration with unit (2h) or arithmetic in milliseconds',
    '.env:4:18 LIMIT_TTS: found "yes", expected true or false, did you mean "true"?',
    '.env:5:17 REGISTER_WINDOW: found "0", expected a number of minutes, 1 or more',
    'environment GATEWAY_PORT: found "99999", expected a port from 0 to 65535',
    'environment BAN_INTERVAL: found "2 horas", expected a whole number or arithmetic, 1 or more; the chat app would',
    'p.yaml:1:1 limitters: found unknown key "limitters", expected one of version, ',
  ]
  for (const line of told) t.ok(found.some((one) => one.startsWith(line)), line)
  t.equal(found.length, 6, 'the same mistake is told once')
  t.match(found.join('\n'), 'would silently use its default, 2 hours, did you mean "2h"?')
})

t.test('secrets come from files too, and are shown nowhere', async (t) => {
  const files = { jwt: 'hunter22\n', empty: '', '.env': 'JWT_REFRESH_SECRET_FILE=jwt\nMY_TOKEN_FILE=jwt\n' }
  const text = 'exempt: { users: ["§{MY_TOKEN}"] }'
  const config = await load(t, { env: { JWT_SECRET_FILE: 'jwt' }, files: { ...files, ...policyOf(text) }, policyFile: 'p.yaml' })
  const secrets = config.document.identity?.flatMap(({ jwt, alias }) =>
    [jwt?.secret ?? [], alias?.jwt?.secret ?? []].flat())
  t.strictSame(secrets, ['hunter22', 'hunter22', 'hunter22'])
  t.strictSame(config.document.exempt?.users, ['hunter22'])
  t.notMatch(JSON.stringify([config.variables, config.warnings]), /hunter22/)
  t.match(config.variables, [{ name: 'JWT_SECRET', text: '***', from: 'environment JWT_SECRET_FILE' }, {}])
  t.strictSame(await mistakesOf(t, { env: { ADMIN_TOKEN_FILE: 'gone', JWT_SECRET_FILE: 'empty' }, files }), [
    'environment ADMIN_TOKEN_FILE: found "gone" (ENOENT), expected a readable file that holds the secret',
    'environment JWT_SECRET_FILE: found "empty", which is empty, expected a readable file that holds the secret',
  ])
})

t.test('placeholders nest, fall back, escape, and an unset one leaves its key out', async (t) => {
  const text = [
    'upstream: { url: "http://§{HOST:-chat}:§{PORT:-§{OTHER:-3080}}/§§{x}", tls: { ca: "§{UNSET}" } }',
    'exempt: { users: ["§{UNSET}", a, "b,c"], addresses: "10.0.0.1, 10.0.0.2" }',
    'bans: { duration: "§{EMPTY:-3h}", interval: "§{MY_INTERVAL}" }',
    'limiters: { a: { key: ip, max: "§{MY_MAX}", window: 1m } }',
  ].join('\n')
  const env = { HOST: 'h', EMPTY: '  ', MY_MAX: '3 # three', constructor: 'x' }
  const { document } = await load(t, { env, files: policyOf(text), policyFile: 'p.yaml' })
  t.equal(document.upstream?.url, 'http://h:3080/$' + '{x}')
  t.notHas(document.upstream?.tls, { ca: /./ })
  t.equal(document.upstream?.tls?.verify, true)
  t.strictSame(document.exempt?.users, ['a', 'b,c'])
  t.strictSame(document.exempt?.addresses, ['10.0.0.1', '10.0.0.2'])
  t.match(document.bans, { duration: 10_800_000, interval: 20 })
  t.equal(document.limiters?.['a']?.max, 3)
})

t.test('chat.yaml outranks the environment, the policy file outranks it, and a max there turns its limiter on', async (t) => {
  const chat = [
    'endpoints: { custom: [{ apiKey: "§{NOT_OURS", headers: { x: "§{{y}}" } }] }',
    'rateLimits:',
    '  fileUploads: { userMax: 5, ipWindowInMinutes: 60 }',
    '  conversationsImport: { userMax: 6 }',
    '  tts: { ipMax: 7, userMax: 8 }',
    '  agentEvents: { userMax: 9, userWindowInMinutes: 2 }',
  ].join('\n').replaceAll('§', '$')
  const env = { FILE_UPLOAD_USER_MAX: '50', FILE_UPLOAD_IP_MAX: '99', LIMIT_TTS: 'false' }
  const files = { 'librechat.yaml': chat, 'chat.yaml': 'rateLimits: 5', ...policyOf('limiters: { importUser: { max: 3 } }') }
  const { document, warnings } = await load(t, { env, files })
  t.match(document.limiters, {
    uploadUser: { max: 5, window: 900_000, enabled: true },
    uploadIp: { max: 99, window: 3_600_000 },
    importUser: { max: 6, enabled: true },
    ttsIp: { max: 7, enabled: false },
    agentEventUser: { max: 9, window: 120_000 },
  })
  t.strictSame(warnings, [noMongo])
  const over = await load(t, { env: { LIMIT_IMPORT_USER: 'false' }, files, policyFile: 'p.yaml' })
  t.match(over.document.limiters?.['importUser'], { max: 3, enabled: false })
})

t.test('a wrong value in chat.yaml is a mistake, a missing file only a warning', async (t) => {
  const text = 'rateLimits:\n  fileUploads:\n    userMax: many\n    ipWindowInMinutes: 0\n  stt: 5\n  ts: {}\n'
  t.strictSame(await mistakesOf(t, { files: { 'chat.yaml': text } }), [
    'chat.yaml:3:14 rateLimits.fileUploads.userMax: found "many", expected a whole number, 0 or more',
    'chat.yaml:4:24 rateLimits.fileUploads.ipWindowInMinutes: found 0, expected a number of minutes, 1 or more',
    'chat.yaml:5:8 rateLimits.stt: found a number, expected a map of keys',
  ])
  t.match(await mistakesOf(t, { files: { 'chat.yaml': 'a: [' } }), [/^chat\.yaml:1:5: found a syntax error/])
  const missing = await load(t, { env: { CONFIG_PATH: 'gone.yaml' }, files: { 'chat.yaml': text } })
  t.match(missing.warnings, [/^gone\.yaml \(CONFIG_PATH\) cannot be read: there is no such file/])
  const folder = await load(t, { env: { CONFIG_PATH: '.' } })
  t.match(folder.warnings, [/^\. \(CONFIG_PATH\) cannot be read: EISDIR/])
  const misspelt = await load(t, { files: { 'chat.yaml': 'rateLimits: { fileUpload: { userMax: 1 } }' } })
  t.match(misspelt.warnings, [/rateLimits\.fileUpload is not known: did you mean fileUploads\?/])
})

t.test('chat.yaml may stand behind a URL', async (t) => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/chat.yaml' ? 200 : 404
    response.end(request.url === '/chat.yaml' ? 'rateLimits: { stt: { userMax: 9 } }' : 'x')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const found = await load(t, { env: { CONFIG_PATH: `${base}/chat.yaml` } })
  t.equal(found.document.limiters?.['sttUser']?.max, 9)
  const gone = await load(t, { env: { CONFIG_PATH: `${base}/gone.yaml` } })
  t.match(gone.warnings, [/gone\.yaml \(CONFIG_PATH\) cannot be read: it was answered with 404/])
})

t.test('a misspelt variable is said, the chat app\'s other variables are not', async (t) => {
  const env = {
    MONGO_URI: 'mongodb://m',
    LOGIN_MAXX: '3',
    OPENAI_API_KEY: 'x',
    TRUST_PROXY: '1',
    HOST: 'h',
    MEILI_HOST: 'm',
    SESSION_EXPIRY: '1',
    HOME: '/',
  }
  const { warnings } = await load(t, { env })
  t.strictSame(warnings, ['LOGIN_MAXX is not a variable of ours: did you mean LOGIN_MAX?'])
})

t.test('settings of the process come from the environment', async (t) => {
  const env = {
    GATEWAY_HOST: '127.0.0.1',
    GATEWAY_PORT: '0',
    ADMIN_PORT: '9',
    ADMIN_TOKEN: 'tok',
    ADMIN_TOKEN_LIST: 'list',
    ADMIN_ALLOWED_HOSTS: 'a, b',
    DATA_DIR: 'd',
    PORTCULLIS_ADMIN_URL: 'http://a:9',
    LOG_LEVEL: 'DEBUG   # for now',
    UPSTREAM_URL: 'http://u',
  }
  const cwd = t.testdir({})
  const { settings } = await loadConfig({ cwd, env })
  t.strictSame(settings, {
    logLevel: 'debug',
    preset: 'librechat',
    policyFile: undefined,
    upstreamGiven: true,
    gateway: { host: '127.0.0.1', port: 0 },
    admin: {
      host: '127.0.0.1',
      port: 9,
      token: 'tok',
      tokenListFile: join(cwd, 'list'),
      allowedHosts: ['a', 'b'],
      url: 'http://a:9',
    },
    dataDir: join(cwd, 'd'),
    store: { redis: undefined, deadlineMs: 50, mongoUri: undefined },
  })
  const alone = loadSettings({ cwd, env: { ...env, BAN_DURATION: 'two hours', REDIS_URI: 'nowhere' } })
  t.match(settings, alone.settings, 'without a policy they are the same, and its mistakes are no matter')
  t.throws(() => loadSettings({ cwd, env: { GATEWAY_PORT: 'x' } }), ConfigErrors)
  t.equal((await load(t, {})).settings.logLevel, 'info')
  t.strictSame(await mistakesOf(t, { env: { LOG_LEVEL: 'warning' } }), [
    'environment LOG_LEVEL: found "warning", expected one of trace, debug, info, warn, error, fatal, silent, did you mean "warn"?',
  ])
})

t.test('every secret may stand in a file that its name with _FILE names', async (t) => {
  const secrets = [...catalogue].filter(([, { kind }]) => kind === 'secret').map(([name]) => name)
  t.ok(secrets.includes('ADMIN_TOKEN') && secrets.includes('JWT_SECRET') && secrets.includes('REDIS_PASSWORD'))
  const addresses: Readonly<Record<string, string>> = { REDIS_URI: 'redis://', MONGO_URI: 'mongodb://' }
  const contents = secrets.map((name) => `${addresses[name] ?? ''}${name}-hunter22`)
  const files = Object.fromEntries(secrets.map((name, index) => [`${name}.txt`, `${contents[index]}\n`]))
  const env = Object.fromEntries(secrets.map((name) => [`${name}_FILE`, `${name}.txt`]))
  const users = secrets.map((name) => `"§{${name}}"`).join(', ')
  const text = policyOf(`exempt: { users: [${users}] }`)
  const { document, variables, warnings } = await load(t, { env, files: { ...files, ...text }, policyFile: 'p.yaml' })
  t.strictSame(document.exempt?.users, contents)
  t.notMatch(JSON.stringify([variables, warnings]), /hunter22/)
  const both = { ...env, JWT_SECRET: 'direct' }
  const direct = await load(t, { env: both, files: { ...files, ...text }, policyFile: 'p.yaml' })
  t.equal(direct.document.exempt?.users?.[secrets.indexOf('JWT_SECRET')], 'direct', 'the value itself comes first')
})

t.test('one limiter: policy file before chat.yaml before environment before preset', async (t) => {
  const chat = { 'chat.yaml': 'rateLimits: { conversationsImport: { userMax: 3, userWindowInMinutes: 4 } }' }
  const env = { IMPORT_USER_MAX: '2', IMPORT_USER_WINDOW: '5' }
  const files = { ...chat, ...policyOf('limiters: { importUser: { max: 1 } }') }
  const importUser = async (options: Parameters<typeof load>[1]) =>
    (await load(t, options)).document.limiters?.['importUser']
  t.match(await importUser({}), { enabled: false, max: 50, window: 60_000 })
  t.match(await importUser({ env }), { enabled: false, max: 2, window: 300_000 })
  t.match(await importUser({ env, files: chat }), { enabled: true, max: 3, window: 240_000 })
  t.match(await importUser({ env, files, policyFile: 'p.yaml' }), { enabled: true, max: 1, window: 240_000 })
  const off = { ...env, LIMIT_IMPORT_USER: 'false' }
  t.match(await importUser({ env: off, files: chat }), { enabled: false, max: 3 }, 'an explicit false is meant')
  const dotenv = { ...chat, '.env': 'LIMIT_IMPORT_USER=false # really' }
  t.match(await importUser({ env, files: dotenv }), { enabled: false, max: 3 })
  t.match(await importUser({ env: { ...env, LIMIT_IMPORT_USER: '' }, files: chat }), { enabled: true, max: 3 })
})

t.test('what is empty but for a comment or quotes counts as unset', async (t) => {
  const empty = {
    LOGIN_MAX: '# 7 by default', BAN_VIOLATIONS: '""', BAN_DURATION: ' # 2h', PORTCULLIS_MODE: '# enforce', LOG_LEVEL: '\'\'',
    JWT_SECRET: ' ', GATEWAY_PORT: '', BAN_INTERVAL: '\t',
  }
  const { document, settings } = await load(t, { env: empty })
  t.match(document.bans, { enabled: true, duration: 7_200_000, interval: 20 })
  t.equal(document.limiters?.['loginIp']?.max, 7)
  t.equal(document.mode, 'enforce')
  t.match(settings, { logLevel: 'info', gateway: { port: 8080 } })
  t.equal((await load(t, { env: { BAN_DURATION: '1000 * 60 * 60 * 2' } })).document.bans?.duration, 7_200_000)
  const below = { env: empty, files: { '.env': 'JWT_SECRET=below\n' } }
  t.match((await load(t, below)).document.identity, [{ jwt: { secret: 'below' } }], 'the next source is asked')
})

t.test('upstream.tls.ca is read as the policy is, so that its contents belong to it', async (t) => {
  const pem = readFileSync(join(import.meta.dirname, '../upstream/fixtures/cert.pem'), 'utf8').trim()
  const key = readFileSync(join(import.meta.dirname, '../upstream/fixtures/key.pem'), 'utf8')
  const files = {
    'ca.pem': `# ours\n${key}\n${pem.replaceAll('\n', '\r\n')}\n${pem}\n`,
    'key.pem': key,
    'torn.pem': `${pem}\n${pem.replace(/MII/, 'XXX')}`,
    'large.pem': 'x'.repeat(1024 * 1025),
    ...policyOf('upstream:\n  tls: { ca: "§{CA:-ca.pem}", verify: true }'),
  }
  const { document, watchFiles } = await load(t, { files, policyFile: 'p.yaml' })
  t.equal(document.upstream?.tls?.ca?.replaceAll('\r', ''), `${pem}\n${pem}`, 'all certificates and nothing else')
  t.match(document.upstream?.tls, { verify: true })
  t.ok(watchFiles.some((file) => file.endsWith('/ca.pem')))
  t.strictSame(await mistakesOf(t, { files: policyOf('upstream:\n  tls: { ca: gone.pem }\n  host: none'), policyFile: 'p.yaml' }), [
    'p.yaml:2:14 upstream.tls.ca: found "gone.pem" (there is no such file), expected a PEM file of certificates that can be read',
    'p.yaml:3:9 upstream.host: found "none", expected one of preserve, upstream',
  ])
  const reasons = {
    'key.pem': 'it holds no certificate', 'torn.pem': 'it holds a damaged certificate', 'large.pem': 'it is larger than 1 MiB', '.': 'EISDIR',
  }
  for (const [CA, reason] of Object.entries(reasons)) {
    const [told = '', ...more] = await mistakesOf(t, { env: { CA }, files, policyFile: 'p.yaml' })
    t.ok(told.startsWith(`environment CA: found "${CA}" (${reason}`), told)
    t.match(told, / \(for upstream\.tls\.ca\)$/)
    t.strictSame(more, [])
  }
  const secret = policyOf('upstream: { tls: { ca: "§{JWT_SECRET}" } }')
  t.match(await mistakesOf(t, { env: { JWT_SECRET: 'hunter22' }, files: secret, policyFile: 'p.yaml' }), [/^environment JWT_SECRET: found a secret, /])
})

t.test('hostile files end in a mistake, never in a crash', async (t) => {
  const deep = `a: ${'['.repeat(100_000)}`
  for (const text of [deep, '{'.repeat(50_000), '? [a]\n: b', '%YAML 9.9\n---\n!!js/function x', 'a: 1\n---\nb: 2', '\0']) {
    t.ok((await mistakesOf(t, { files: policyOf(text), policyFile: 'p.yaml' })).length < 10, JSON.stringify(text.slice(0, 20)))
  }
  const wide = `a: &a [${'x,'.repeat(1000)}]\nlimiters: [${'*a,'.repeat(100)}]`
  t.match(await mistakesOf(t, { files: policyOf(wide), policyFile: 'p.yaml' }), [/unfolds without end/])
  const proto = 'limiters: { __proto__: { key: ip, max: 1, window: 1m }, constructor: { key: ip, max: 1, window: 1m } }'
  const { document } = await load(t, { files: policyOf(proto), policyFile: 'p.yaml' })
  t.ok(Object.hasOwn(document.limiters ?? {}, '__proto__') && !('polluted' in {}))
  t.match(await mistakesOf(t, { files: policyOf('__proto__: {}'), policyFile: 'p.yaml' }), [/unknown key "__proto__"/])
})

t.test('an unreadable .env is a warning', async (t) => {
  const cwd = t.testdir({ '.env': {} })
  t.match((await loadConfig({ cwd, env: {} })).warnings, [/^\.env cannot be read: EISDIR/])
})

t.test('a second reading sees what changed', async (t) => {
  const cwd = t.testdir(policyOf('mode: observe'))
  const options = { cwd, env: {}, policyFile: 'p.yaml' }
  t.equal((await loadConfig(options)).document.mode, 'observe')
  writeFileSync(join(cwd, 'p.yaml'), 'mode: off')
  t.equal((await loadConfig(options)).document.mode, 'off')
  rmSync(join(cwd, 'p.yaml'))
  await t.rejects(loadConfig(options), ConfigErrors)
})
