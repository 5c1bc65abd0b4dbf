import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../src/cli/cli.js'
import { describeStore, storeName } from '../../src/cli/store-text.js'
import { ConfigErrors, loadConfig, storeChanges } from '../../src/config/config.js'
import { mongoPlace } from '../../src/config/mongo-uri.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import type { RedisSettings } from '../../src/redis-settings.js'
import { sink } from '../cli/sink.js'

type Env = Record<string, string>
interface Given { readonly env?: Env, readonly policy?: string, readonly files?: Record<string, string> }
type Test = { testdir (files: Record<string, string>): string }

const authority = readFileSync(join(import.meta.dirname, '../upstream/fixtures/cert.pem'), 'utf8').trim()
const noMongo = 'no MONGO_URI: bans are listed by portcullis bans'

async function load (t: Test, { env = {}, policy, files = {} }: Given) {
  const cwd = t.testdir({ ...files, ...(policy === undefined ? {} : { 'p.yaml': policy.replaceAll('§', '$') }) })
  return await loadPolicy({ cwd, env, ...(policy === undefined ? {} : { policyFile: 'p.yaml' }) })
}

async function redisOf (t: Test, given: Given): Promise<RedisSettings | undefined> {
  return (await load(t, given)).config.settings.store.redis
}

async function mistakesOf (t: Test, given: Given): Promise<string[]> {
  const error = await load(t, given).then(() => undefined, (error: unknown) => error)
  if (error instanceof ConfigErrors) return error.message.split('\n')
  throw error ?? new Error('it was accepted')
}

const at = (...texts: string[]) => texts.map((text) => {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
})
const plain: RedisSettings = {
  topology: 'standalone', addresses: at('r:6379'), masterName: undefined, database: 0, username: undefined,
  password: undefined, sentinelUsername: undefined, sentinelPassword: undefined, tls: false, ca: undefined, keyPrefix: '',
}

t.test('an address in REDIS_URI becomes what the store connects to', async (t) => {
  const become: [uri: string, expected: Partial<RedisSettings>][] = [
    ['redis://r', {}],
    ['  redis://r:6379/  ', {}],
    ['redis://r/0   # the only one', {}],
    ['REDIS://r:6380', { addresses: at('r:6380') }],
    ['redis://127.0.0.1:6379/15', { addresses: at('127.0.0.1:6379'), database: 15 }],
    ['redis://[::1]:7000', { addresses: at('::1:7000') }],
    ['redis://[2001:db8::7]/2', { addresses: at('2001:db8::7:6379'), database: 2 }],
    ['redis://redis_1.chat.internal', { addresses: at('redis_1.chat.internal:6379') }],
    ['redis://:s3cret@r', { password: 's3cret' }],
    ['redis://gate:s3cret@r', { username: 'gate', password: 's3cret' }],
    ['redis://gate:p%40ss%2F%3F%23%25:w+rd@r', { username: 'gate', password: 'p@ss/?#%:w+rd' }],
    ['redis://gate:p@ss@r', { username: 'gate', password: 'p@ss' }],
    ['redis://:a,b@r', { password: 'a,b' }],
    ['rediss://r:6380', { addresses: at('r:6380'), tls: true }],
    ['redis://r?family=6', {}],
    ['redis://a:1,redis://b:2', { topology: 'cluster', addresses: at('a:1', 'b:2') }],
    ['redis://a:1, redis://b:2/0,', { topology: 'cluster', addresses: at('a:1', 'b:2') }],
    ['redis://u:p@a:1,redis://b:2,redis://u:p@c', {
      topology: 'cluster', addresses: at('a:1', 'b:2', 'c:6379'), username: 'u', password: 'p',
    }],
    ['rediss://a,rediss://[::1]', { topology: 'cluster', addresses: at('a:6379', '::1:6379'), tls: true }],
    ['redis+sentinel://s1/chat', { topology: 'sentinel', addresses: at('s1:26379'), masterName: 'chat' }],
    ['rediss+sentinel://u:p@s1:1,s2,[::1]:3/my%20chat/4?sentinelUsername=su&sentinelPassword=s%26+p=@', {
      topology: 'sentinel', addresses: at('s1:1', 's2:26379', '::1:3'), masterName: 'my chat', database: 4, tls: true,
      username: 'u', password: 'p', sentinelUsername: 'su', sentinelPassword: 's&+p=@',
    }],
  ]
  for (const [uri, expected] of become) {
    t.strictSame(await redisOf(t, { env: { REDIS_URI: uri } }), { ...plain, ...expected }, uri)
  }
})

t.test('the environment adds what an address does not say', async (t) => {
  const signIn = { REDIS_USERNAME: 'gate', REDIS_PASSWORD: 's3cret' }
  t.strictSame(await redisOf(t, { env: { REDIS_URI: 'redis://r', ...signIn } }), { ...plain, username: 'gate', password: 's3cret' })
  const both = { REDIS_URI: 'redis://own:word@r', ...signIn }
  t.strictSame(await redisOf(t, { env: both }), { ...plain, username: 'own', password: 'word' }, 'the address comes first')
  const half = { REDIS_URI: 'redis://:word@r', ...signIn }
  t.strictSame(await redisOf(t, { env: half }), { ...plain, username: 'gate', password: 'word' })
  const files = { 'ca.pem': authority, password: 'from-file\n', uri: 'redis://:in-file@r\n' }
  const secret = await redisOf(t, { env: { REDIS_URI: 'redis://r', REDIS_PASSWORD_FILE: 'password', REDIS_CA: 'ca.pem' }, files })
  t.strictSame(secret, { ...plain, password: 'from-file', tls: true, ca: authority }, 'a CA turns TLS on, as with the chat app')
  t.match(await redisOf(t, { env: { REDIS_URI_FILE: 'uri' }, files }), { password: 'in-file' })
  t.match(await redisOf(t, { env: { REDIS_URI: 'redis://r', USE_REDIS_CLUSTER: 'true' } }), { topology: 'cluster' })
  t.match(await redisOf(t, { env: { REDIS_URI: 'redis://r', USE_REDIS: 'true # yes' } }), { topology: 'standalone' })
  t.equal((await redisOf(t, { env: { REDIS_URI: 'redis://r', REDIS_KEY_PREFIX: 'chat ' } }))?.keyPrefix, 'chat::')
  const named = { REDIS_URI: 'redis://r', REDIS_KEY_PREFIX_VAR: 'DEPLOYMENT', DEPLOYMENT: 'blue' }
  t.equal((await redisOf(t, { env: named }))?.keyPrefix, 'blue::')
  t.equal((await redisOf(t, { env: { ...named, DEPLOYMENT: '' } }))?.keyPrefix, '')
  t.equal((await redisOf(t, { env: { ...named, REDIS_KEY_PREFIX: 'own' } }))?.keyPrefix, 'own::')
})

t.test('what is wrong with a store is said where it stands, and no password with it', async (t) => {
  const schemes = 'redis://, rediss://, redis+sentinel:// or rediss+sentinel:// and an address'
  const address = 'HOST, HOST:PORT or [IPV6]:PORT'
  const encoded = 'found a password with /, ? or # in it, expected them to be written as %2F, %3F and %23'
  const wrong: [uri: string, ...told: string[]][] = [
    ['s3cret', `found no address, expected ${schemes}`],
    ['redis:s3cret', `found no address, expected ${schemes}`],
    ['https://:s3cret@r', `found the scheme https://, expected ${schemes}`],
    ['unix:///run/redis.sock', `found the scheme unix://, expected ${schemes}`],
    ['redis://', `found no host, expected ${address}`],
    ['redis://:s3cret@', `found no host, expected ${address}`],
    ['redis://:s3cret', `found an address that cannot be read, expected ${address}`],
    ['redis://::1:6379', `found the address "::1:6379", expected ${address}`],
    ['redis://[r]:6379', `found an address that cannot be read, expected ${address}`],
    ['redis://r:0', 'found the port "0", expected a port from 1 to 65535'],
    ['redis://r:65536', 'found the port "65536", expected a port from 1 to 65535'],
    ['redis://r/main', 'found the database "main", expected the number of a database, or nothing'],
    ['redis://r/1/2', 'found a path, expected the number of a database, or nothing'],
    ['redis://:s3cr/et@r', encoded],
    ['redis://:s3cr?et@r', encoded],
    ['redis://:s3cr#et@r', encoded],
    ['redis://:s3cret%@r', 'found a % that encodes nothing, expected it to be written as %25'],
    ['redis://gate@r', 'found a user name without a password, expected a password with it, or REDIS_PASSWORD'],
    ['redis://r?tls=true', 'found the option "tls", expected no option but family'],
    ['redis://r?s3cret', 'found an unknown option, expected no option but family'],
    ['redis://a:1,b:2', 'found an address without a scheme, expected redis:// in front of each address of a Cluster'],
    ['redis://a,rediss://b', 'found redis:// and rediss:// side by side, expected one scheme in front of all addresses'],
    ['redis://a,redis://b/1', 'found the database 1, expected none, since a Cluster has only one'],
    ['redis://:s3cret@a,redis://:0ther@b', 'found different credentials, expected the same for all addresses, or only with the first'],
    ['redis+sentinel://s1:1', 'found no name of the master, expected redis+sentinel://HOST:PORT[,HOST:PORT…]/NAME, as the sentinels call it'],
    ['redis+sentinel://a/m,redis+sentinel://b/m', 'found several addresses of sentinels, expected one that names them all: redis+sentinel://HOST:PORT,HOST:PORT/NAME'],
    ['redis+sentinel://a/m?sentinelPasword=s3cret', 'found the option "sentinelPasword", expected one of sentinelUsername, sentinelPassword (for store.url), did you mean "sentinelPassword"?'],
    ['redis+sentinel://a/m?sentinelPassword=s3cret&sentinelPassword=0ther', 'found the option "sentinelPassword" twice, expected it once'],
    ['redis+sentinel://a:0,b:x/m/n',
      'found the port "0", expected a port from 1 to 65535',
      'found an address that cannot be read, expected HOST, HOST:PORT or [IPV6]:PORT',
      'found the database "n", expected the number of a database, or nothing'],
  ]
  for (const [uri, ...told] of wrong) {
    const lines = told.map((line) => `environment REDIS_URI: ${line}${line.includes('(for ') ? '' : ' (for store.url)'}`)
    const found = await mistakesOf(t, { env: { REDIS_URI: uri } })
    t.strictSame(found.toSorted(), lines.toSorted(), uri)
    t.notMatch(found.join(), /s3cr|0ther/, uri)
  }
  const cluster = { USE_REDIS_CLUSTER: 'true' }
  t.strictSame(await mistakesOf(t, { env: { ...cluster, REDIS_URI: 'redis+sentinel://s/m' } }), [
    'environment REDIS_URI: found sentinels, expected no sentinels where USE_REDIS_CLUSTER is true (for store.url)',
  ])
  t.match(await mistakesOf(t, { env: { ...cluster, REDIS_URI: 'redis://r/3' } }), [/found the database 3, expected none/])
  t.strictSame(await mistakesOf(t, { files: { '.env': 'A=1\nREDIS_URI=redis://r:x\n' } }), [
    `.env:2:11 REDIS_URI: found an address that cannot be read, expected ${address} (for store.url)`,
  ])
})

t.test('mistakes beside the address name their variable', async (t) => {
  const files = { 'key.pem': 'no certificate' }
  const env = { REDIS_URI: 'redis://r', REDIS_CA: 'key.pem', REDIS_KEY_PREFIX: 'chat # ours', REDIS_USERNAME: 'gate', MONGO_URI: 'chat' }
  t.strictSame(await mistakesOf(t, { env, files }), [
    'environment REDIS_CA: found "key.pem" (it holds no certificate), expected a PEM file of certificates that can be read',
    'environment REDIS_KEY_PREFIX: found "chat # ours", expected a prefix without blanks, which no ACL rule could name',
    'environment REDIS_USERNAME: found a user name without a password, expected a password with it, or REDIS_PASSWORD',
    'environment MONGO_URI: found no address, expected mongodb:// or mongodb+srv:// and an address',
  ])
  const gone = { REDIS_URI: 'redis://r', REDIS_CA: 'gone.pem' }
  t.match(await mistakesOf(t, { env: gone }), [/^environment REDIS_CA: found "gone\.pem" \(there is no such file\)/])
  t.strictSame(await mistakesOf(t, { env: { USE_REDIS: 'true' } }), [
    'environment USE_REDIS: found true, expected REDIS_URI or store.url to say where Redis is, or false',
  ])
  const unreadable = await mistakesOf(t, { env: { USE_REDIS: 'true', REDIS_URI_FILE: 'gone' } })
  t.match(unreadable, [/^environment REDIS_URI_FILE: found "gone" \(ENOENT\)/])
  t.equal(unreadable.length, 1, 'what follows from it is not told')
  t.equal(await redisOf(t, { env: { ...gone, USE_REDIS: 'false' } }), undefined, 'what is not used is not looked at')
})

t.test('MONGO_URI is taken when it can be read', async (t) => {
  const good: [uri: string, place: string][] = [
    ['mongodb://m', 'm'],
    ['mongodb://u:p%40@m1:27017,m2,[::1]:3/LibreChat?replicaSet=rs0&authSource=a@b', 'm1:27017,m2,[::1]:3/LibreChat'],
    ['mongodb+srv://u:p@cluster0.example.net/chat?retryWrites=true', 'cluster0.example.net/chat'],
    ['mongodb://%2Ftmp%2Fm.sock/chat', '%2Ftmp%2Fm.sock/chat'],
  ]
  for (const [uri, place] of good) {
    const { settings } = await loadConfig({ cwd: t.testdir({}), env: { MONGO_URI: `${uri}   # ours` } })
    t.equal(settings.store.mongoUri, uri)
    t.equal(mongoPlace(uri), place)
  }
  const bad = ['http://:s3cret@m', 'mongodb://', 'mongodb://u:s3/cret@m', 'mongodb://u:s3@cret@m', 'mongodb+srv://a,b', 'mongodb+srv://a:1', 'mongodb://a:b']
  for (const uri of bad) {
    const [told = '', ...more] = await mistakesOf(t, { env: { MONGO_URI: uri } })
    t.match(told, /^environment MONGO_URI: found .*, expected mongodb(\+srv)?:\/\//, uri)
    t.notMatch(told, /s3|cret/)
    t.strictSame(more, [])
  }
  for (const option of ['foo=s3cret', 'tls=maybe', 'w=-x&foo=1']) {
    const [told = ''] = await mistakesOf(t, { env: { MONGO_URI: `mongodb://u:foo@m/a?${option}` } })
    t.match(told, /^environment MONGO_URI: found an address .*, expected an address with options that the MongoDB driver knows$/)
    t.notMatch(told, /s3cret|foo/)
  }
  const [named] = await mistakesOf(t, { env: { MONGO_URI: 'mongodb://m/a?foo=bar' } })
  t.match(named, /the driver says: option foo is not supported/)
})

t.test('the policy file says where, how long and what then; a rule may say otherwise', async (t) => {
  const text = [
    'store: { url: "redis://:§{REDIS_PASSWORD}@own", deadline: 5s, onFailure: closed }',
    'limiters: { loginIp: { onFailure: open }, mine: { key: ip, max: 1, window: 1m } }',
    'concurrency: { messages: { onFailure: local }, other: { max: 1 } }',
  ].join('\n')
  const { config, policy, warnings } = await load(t, { policy: text, env: { REDIS_URI: 'redis://env', REDIS_PASSWORD: 's3cret' } })
  const { store } = config.settings
  t.match(store, { redis: { addresses: at('own:6379'), password: 's3cret' }, deadlineMs: 5000 })
  t.ok(Object.isFrozen(store) && Object.isFrozen(store.redis) && Object.isFrozen(store.redis?.addresses), 'nobody can change it')
  t.equal(policy.limiters.get('loginIp')?.onFailure, 'open')
  t.equal(policy.limiters.get('mine')?.onFailure, 'closed')
  t.equal(policy.limiters.get('messageIp')?.onFailure, 'closed', 'the preset\'s rules do what the store says')
  t.equal(policy.concurrency.get('messages')?.onFailure, 'local')
  t.equal(policy.concurrency.get('other')?.onFailure, 'closed')
  t.notOk(warnings.some((warning) => warning.includes('Redis')))
  const usual = await load(t, {})
  t.strictSame(usual.config.settings.store, { redis: undefined, deadlineMs: 50, mongoUri: undefined })
  t.ok([...usual.policy.limiters.values()].every(({ onFailure }) => onFailure === 'local'))
})

t.test('what does nothing without Redis is said', async (t) => {
  const warningsOf = async (given: Given) => (await load(t, given)).config.warnings
  t.strictSame(await warningsOf({}), [noMongo])
  t.strictSame(await warningsOf({ env: { MONGO_URI: 'mongodb://m' } }), [])
  t.strictSame(await warningsOf({ env: { REDIS_URI: 'redis://r', MONGO_URI: 'mongodb://m' } }), [])
  const one = { policy: 'store: { deadline: 50ms }' }
  t.strictSame(await warningsOf(one), ['store.deadline is set, but without Redis it does nothing', noMongo])
  const several = [
    'store: { onFailure: closed }', 'limiters: { loginIp: { onFailure: open }, messageIp: { max: 3 } }',
    'concurrency: { messages: { onFailure: open } }',
  ].join('\n')
  t.strictSame(await warningsOf({ policy: several }), [
    'store.onFailure, limiters.loginIp.onFailure, concurrency.messages.onFailure are set, but without Redis they do nothing', noMongo,
  ])
  t.strictSame(await warningsOf({ policy: several, env: { REDIS_URI: 'redis://r' } }), [noMongo])
  const unused = { policy: 'store: { url: "redis://r" }', env: { USE_REDIS: 'false', MONGO_URI: 'mongodb://m' } }
  t.strictSame(await warningsOf(unused), ['store.url is set, but USE_REDIS is false: state is kept in memory'])
  t.strictSame(await warningsOf({ env: { REDIS_URI: 's3cret', USE_REDIS: 'false', MONGO_URI: 'mongodb://m' } }), [])
  const mongo = { MONGO_URI: 'mongodb://m' }
  t.strictSame(await warningsOf({ env: { ...mongo, REDIS_PASSWORD: 'x', USE_REDIS_CLUSTER: 'true' } }), [
    'USE_REDIS_CLUSTER, REDIS_PASSWORD set, but no REDIS_URI: state is kept in memory',
  ])
  const redis = { ...mongo, REDIS_URI: 'redis://:s3cret@r' }
  t.strictSame(await warningsOf({ env: redis, policy: 'store: { url: redis://other }\n' }), [
    'REDIS_URI is not used: store.url of the policy file says where Redis is',
  ])
  t.strictSame(await warningsOf({ env: redis, policy: 'store: { url: "§{REDIS_URI}" }\n' }), [])
  t.strictSame(await warningsOf({ env: { ...redis, REDIS_KEY_PREFIX_VAR: 'NOPE' } }), [
    'REDIS_KEY_PREFIX_VAR names NOPE, which is not set: keys have no prefix',
  ])
  t.strictSame(await warningsOf({ env: { ...redis, REDIS_KEY_PREFIX_VAR: 'NOPE', REDIS_KEY_PREFIX: 'a' } }), [
    'REDIS_KEY_PREFIX_VAR is not used: REDIS_KEY_PREFIX is set',
  ])
})

t.test('a reload tells which changes of the stores wait for a restart', async (t) => {
  const settingsOf = async (given: Given) => (await load(t, given)).config.settings.store
  const env = { REDIS_URI: 'redis://r', MONGO_URI: 'mongodb://m' }
  const before = await settingsOf({ env })
  t.strictSame(storeChanges(before, await settingsOf({ env })), [])
  t.strictSame(storeChanges(before, await settingsOf({ env, policy: 'store: { onFailure: closed }' })), [], 'in force at once')
  t.strictSame(storeChanges(before, await settingsOf({ env: { ...env, REDIS_PASSWORD: 'new' } })), ['store.url or a variable of Redis'])
  t.strictSame(storeChanges(before, await settingsOf({ policy: 'store: { deadline: 1s }' })), ['store.url or a variable of Redis', 'store.deadline', 'MONGO_URI'])
})

t.test('check and explain show the store without a password, and what rules do without it', async (t) => {
  const text = 'limiters: { loginIp: { onFailure: closed } }\nstore: { deadline: 80ms, onFailure: open }'
  const run = async (argv: string[], env: Env) => {
    const [stdout, stderr] = [sink(), sink()]
    const cwd = t.testdir({ config: { 'portcullis.yaml': text } })
    t.equal(await runCommand({ argv, env, cwd, stdout: stdout.stream, stderr: stderr.stream }), 0, stderr.text())
    return stdout.text()
  }
  const env = {
    REDIS_URI: 'rediss+sentinel://gate:s3cret@s1,[::1]:5/chat/2?sentinelPassword=s3cret', REDIS_KEY_PREFIX: 'blue',
    MONGO_URI: 'mongodb://u:s3cret@m:1/LibreChat?authSource=s3cret',
  }
  const shared = await run(['check'], env)
  t.ok(shared.includes('store: redis sentinel at s1:26379, [::1]:5, master chat, database 2, TLS, user gate, keys begin with ' +
    'blue::; waits 80ms at most, then open; bans also in MongoDB at m:1/LibreChat\n'), shared)
  t.match(shared, /│ on failure │/)
  t.match(shared, /│ loginIp .*│ closed/)
  t.match(shared, /│ messageIp .*│ open/)
  t.notMatch(shared, /s3cret/)
  const alone = await run(['check'], {})
  t.match(alone, /^store: memory$/m)
  t.notMatch(alone, /on failure/)
  t.match(alone, /^warning: store\.deadline, store\.onFailure, limiters\.loginIp\.onFailure are set, but without Redis they do nothing$/m)
  t.match(await run(['explain', 'POST', '/api/auth/login'], env), /limiter loginIp: 7 per 5m by ip .*; without Redis closed$/m)
  t.match(await run(['explain', 'POST', '/api/agents/chat/x'], env), /concurrency messages: 2 in flight .*; without Redis open$/m)
  t.notMatch(await run(['explain', 'POST', '/api/auth/login'], {}), /without Redis/)
  const cluster = { redis: { ...plain, topology: 'cluster', addresses: at('a:1', 'b:2') }, deadlineMs: 50, mongoUri: undefined } as const
  t.equal(describeStore(cluster, 'local'), 'store: redis cluster at a:1, b:2; waits 50ms at most, then local')
  t.equal(storeName({ ...cluster, redis: plain }), 'redis')
})
