/** Reference librechat.md §10, statements 46, 47, 49 and 50: what is written down, for how long, and for whom. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { ask, HOUR, journal, listBans, say, setStage, totals } from './statements/stage.js'

const ann = { user: 'ann' }
const NOTHING_PASSES = { MESSAGE_IP_MAX: '0' }

t.test('46. Given violations, then violations.json and logs.json have the shapes of §2 and survive concurrent writes ' +
  'without loss (adapted: our own shapes, CONTRACT §6)', async (t) => {
  const { product, chat } = await setStage(t, { env: { ...NOTHING_PASSES, LOGIN_MAX: '0', BAN_VIOLATIONS: 'false' } })
  await Promise.all(Array.from({ length: 200 }, async (_, i) => i % 4 === 0
    ? await ask(product, 'POST /api/auth/login?token=hidden', { ip: '198.51.100.1' }, { email: 'x' })
    : await say(product, { user: `user-${i % 4}` })))
  await product.close()
  t.match(JSON.parse(await readFile(join(product.dataDir, 'violations.json'), 'utf8')), { $format: 1 })
  const iso = (at: number) => new Date(at).toISOString()
  const now = product.clock()
  const record = { total: 50, score: 50, updatedAt: iso(now), scoreExpiresAt: iso(now + HOUR) }
  t.strictSame(await totals(product), {
    logins: { 'ip:198.51.100.1': record },
    message_limit: { 'user:user-1': record, 'user:user-2': record, 'user:user-3': record },
  })
  const lines = await journal(product)
  t.equal(lines.length, 200)
  t.equal(new Set(lines.map((line) => line['requestId'])).size, 200)
  for (const user of ['user-1', 'user-2', 'user-3', undefined]) {
    const counts = lines.filter((line) => line['user'] === user).map((line) => line['violation_count'])
    t.strictSame(counts, Array.from({ length: 50 }, (_, i) => i + 1), 'each in its turn')
  }
  t.match(lines.find((line) => line['user'] === 'user-1'), {
    v: 1, date: iso(now), type: 'message_limit', ip: '203.0.113.1', limiter: 'ip', max: 0,
    windowInMinutes: 1, score: 1, prev_count: 0, violation_count: 1, route: 'POST /api/agents/chat/:endpoint',
    method: 'POST', mode: 'enforce',
  })
  t.notMatch(JSON.stringify(lines), /hidden/)
  t.equal(chat.seen.length, 0)
})

t.test('47. Given VIOLATION_SCORE_TTL=1 h, when 1 h passes quietly, then the next violation starts from 0; each violation ' +
  're-arms it', async (t) => {
  const { product } = await setStage(t, { env: { ...NOTHING_PASSES, VIOLATION_SCORE_TTL: '1h' } })
  const { clock } = product
  t.match((await say(product, ann)).body, { prev_count: 0, violation_count: 1 })
  for (let count = 2; count <= 4; count++) {
    clock.advance(HOUR - 1)
    t.match((await say(product, ann)).body, { prev_count: count - 1, violation_count: count })
  }
  clock.advance(HOUR)
  t.match((await say(product, ann)).body, { prev_count: 0, violation_count: 1 })
})

t.test('49. Given path tricks (//api//agents/chat, %2e, trailing slash, upper case), then the same limiter applies as ' +
  'Express would route (case-insensitive, non-strict slash)', async (t) => {
  const { product, chat } = await setStage(t, { env: { ...NOTHING_PASSES, BAN_VIOLATIONS: 'false' } })
  const tricks = [
    '//api//agents/chat', '//api//agents//chat//openAI', '/api/agents/chat/openAI/', '/API/Agents/CHAT/openAI',
    '/api/./agents/chat/openAI', '/api/%2e/agents/chat/openAI', '/api/x/../agents/chat/openAI',
    '/api/x/%2e%2e/agents/chat/openAI', '/%61pi/agents/chat/openAI', '/api/agents%2fchat%2FopenAI',
    '/api/agents/chat/openAI;x=1', '/api;x/agents/chat/openAI', '/api/agents/chat/openAI?x=1', '/api/agents/chat/openAI/?',
    '/api/agents/chat/open%41I', '/api/agents/chat/ABORT/../openAI',
  ]
  for (const path of tricks) {
    const { status, body } = await ask(product, `POST ${path}`, ann, { text: 'hi' })
    t.equal(status, 429, path)
    t.match(body, { type: 'message_limit', limiter: 'ip' }, path)
  }
  t.equal(chat.seen.length, 0)
  t.equal((await ask(product, 'POST /api/agents/chats/openAI', ann, {})).status, 200, 'another path is none of them')
  await product.reload('limiters: { messageIp: { max: 100 } }')
  await ask(product, 'POST //API//agents/%2e/chat/openAI/', ann, { text: 'hi' })
  t.equal(chat.seen.at(-1)?.path, '//API//agents/%2e/chat/openAI/', 'it travels as it was spelled')
})

t.test('50. Given an admin on the exempt list, then never banned, still rate-limited', async (t) => {
  const { product } = await setStage(t, {
    policy: 'exempt: { users: [ann@example.com] }', env: { MESSAGE_IP_MAX: '1', BAN_INTERVAL: '1' },
  })
  t.equal((await say(product, ann)).status, 200)
  for (let i = 0; i < 30; i++) {
    t.match(await say(product, ann), { status: 429, body: { violation_count: 0, ban: undefined } })
  }
  t.equal((await say(product, { ...ann, agent: 'curl/8' })).status, 403, 'no browser')
  t.strictSame(await listBans(product), [])
  t.match((await say(product, { user: 'bob' })).body, { ban: true }, 'another is banned')
  t.equal((await say(product, { user: 'eve' })).status, 403, 'with the address')
  t.equal((await say(product, ann)).status, 429, 'which does not hold the exempt')
})
