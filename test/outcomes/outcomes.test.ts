import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { ConfigErrors } from '../../src/config/config.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import type { ViolationRecord } from '../../src/violations/contract.js'
import { sink } from '../cli/sink.js'
import { runCommand } from '../../src/cli/cli.js'
import { startBackend, until } from '../helpers/backends.js'
import { JWT_SECRET, startProduct } from '../helpers/product.js'

/** As LibreChat writes it: no content type, one event. */
const REFUSAL = 'event: error\ndata: {"text":"Illegal model request"}\n\n'
const POLICY = `version: 1
preset: generic
outcomes:
  illegalModel:
    violation: illegal_model_request
    score: 5
    when: { status: [200], event: error, pointer: /text, equals: Illegal model request }
routes:
  - { match: "* /ask", outcomes: [illegalModel] }
`

/** One violation bans. */
const DEAR = POLICY.replace('score: 5', 'score: 20')

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

function bearer (sub: string): Record<string, string> {
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, exp: Math.floor(Date.now() / 1000) + 3600 })}`
  return { authorization: `Bearer ${signed}.${createHmac('sha256', JWT_SECRET).update(signed).digest('base64url')}` }
}

interface SetUp {
  readonly policy?: string
  readonly env?: Readonly<Record<string, string>>
  answer? (req: IncomingMessage, res: ServerResponse): void
}

async function setUp (t: Test, { policy = POLICY, env = {}, answer }: SetUp = {}) {
  const backend = await startBackend(t, (req, res) => {
    req.resume()
    if (answer === undefined) res.end(REFUSAL)
    else answer(req, res)
  })
  const product = await startProduct(t, { upstream: backend.url, policy, env })
  const ask = (user: string | undefined, headers: Record<string, string> = {}) => fetch(`${product.url}/ask`, {
    method: 'POST', body: '{}', headers: { ...user === undefined ? {} : bearer(user), ...headers },
  })
  const journal = async (): Promise<ViolationRecord[]> => {
    const text = await readFile(join(product.dataDir, 'logs.json'), 'utf8').catch(() => '')
    return text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as ViolationRecord)
  }
  return { backend, product, ask, journal }
}

t.test('the backend\'s refusal costs its user points and reaches him as it is; the fourth bans him', async (t) => {
  const { ask, journal } = await setUp(t)
  for (let i = 1; i <= 4; i++) {
    const answer = await ask('ann')
    t.equal(answer.status, 200)
    t.equal(await answer.text(), REFUSAL)
    t.ok(await until(async () => (await journal()).length === i), `violation ${i} is written down`)
  }
  const lines = await journal()
  t.match(lines[0], {
    type: 'illegal_model_request', user: 'ann', rule: 'illegalModel', score: 5, prev_count: 0, violation_count: 5,
    route: '* /ask', mode: 'enforce',
  })
  t.match(lines[3], { violation_count: 20, ban: true, ban_duration: 7_200_000 })
  t.match(await (await ask('ann')).json(), { reason: 'illegal_model_request' })
  t.equal((await ask('bob')).status, 403, 'his address is banned too, as for any violation')
})

t.test('compressed answers are read, and passed on as they are', async (t) => {
  const packed = gzipSync(REFUSAL)
  const { ask, journal } = await setUp(t, {
    answer: (_req, res) => { res.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed) },
  })
  const answer = await ask('ann', { 'accept-encoding': 'gzip' })
  t.equal(answer.headers.get('content-encoding'), 'gzip')
  t.equal(answer.headers.get('content-length'), String(packed.length))
  t.equal(await answer.text(), REFUSAL)
  t.ok(await until(async () => (await journal()).length === 1))
})

t.test('an answer that ends soon after its sign arrives whole, though it bans its reader', async (t) => {
  const rest = `data: ${'x'.repeat(4 * 1024 * 1024)}\n\n`
  const { ask, journal } = await setUp(t, {
    policy: DEAR,
    answer: (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write(REFUSAL)
      setTimeout(() => res.end(rest), 300)
    },
  })
  const answer = await ask('ann')
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    if (text === '') t.same(await journal(), [], 'nothing is booked while its answer may still be about to end')
    text += Buffer.from(piece.value).toString()
  }
  t.ok(text === REFUSAL + rest, 'whole')
  t.ok(await until(async () => (await journal()).length === 1))
  t.match(await journal(), [{ violation_count: 20, ban: true }])
  t.equal((await ask('ann')).status, 403)
})

t.test('a stream that goes on is not delayed, and its violation counts within seconds: a ban closes it then', async (t) => {
  for (const [policy, isBanned] of [[POLICY, false], [DEAR, true]] as const) {
    let later: ServerResponse | undefined
    const { ask, journal, product } = await setUp(t, {
      policy,
      answer: (_req, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write(REFUSAL)
        later = res
      },
    })
    const answer = await ask('ann')
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
    t.equal(Buffer.from((await reader.read()).value ?? []).toString(), REFUSAL)
    later?.write('data: more\n\n')
    t.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'data: more\n\n')
    t.ok(await until(async () => (await journal()).length === 1, 5_000))
    if (isBanned) await t.rejects(reader.read(), 'closed, as whatever else he has open')
    else {
      later?.write('data: still\n\n')
      t.equal(Buffer.from((await reader.read()).value ?? []).toString(), 'data: still\n\n', 'five points ban nobody')
      await reader.cancel()
    }
    t.equal((await journal()).length, 1)
    t.equal((await ask('ann').then(async (next) => { await next.body?.cancel(); return next.status })), isBanned ? 403 : 200)
    t.notOk(product.log.lines.some(({ level }) => level === 'error'))
  }
})

t.test('an answer that is cut counts, whether the backend or the client cuts it', async (t) => {
  const { ask, journal } = await setUp(t, {
    answer: (req, res) => {
      res.write(REFUSAL)
      if (req.headers['x-cut'] !== undefined) setTimeout(() => res.destroy(), 20)
    },
  })
  await t.rejects(ask('ann', { 'x-cut': 'yes' }).then((answer) => answer.text()))
  t.ok(await until(async () => (await journal()).length === 1))
  const reader = ((await ask('bob')).body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  const leftAt = performance.now()
  await reader.cancel()
  t.ok(await until(async () => (await journal()).length === 2))
  t.ok(performance.now() - leftAt < 900, 'at once: nobody waits for the end of what nobody reads')
  t.match(await journal(), [{ user: 'ann' }, { user: 'bob' }])
})

t.test('nobody in particular, the exempt and visitors of other sites are not scored; other answers cost nothing', async (t) => {
  const { ask, journal } = await setUp(t, {
    policy: `${POLICY}exempt: { users: [root] }\n`,
    answer: (req, res) => { res.end(req.headers['x-say'] ?? REFUSAL) },
  })
  await (await ask(undefined)).text()
  await (await ask('root')).text()
  await (await ask('ann', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })).text()
  await (await ask('ann', { 'x-say': 'data: Illegal model request' })).text()
  await (await ask('ann', { authorization: `${bearer('ann')['authorization']}x` })).text()
  await (await ask('bob')).text()
  t.ok(await until(async () => (await journal()).length === 1))
  t.match(await journal(), [{ user: 'bob' }])
})

t.test('in observe mode, of the policy, the route or the outcome, violations are written down and score nobody', async (t) => {
  const modes = [
    DEAR.replace('version: 1', 'version: 1\nmode: observe'),
    DEAR.replace('outcomes: [illegalModel] }', 'outcomes: [illegalModel], mode: observe }'),
    DEAR.replace('score: 20', 'score: 20\n    mode: observe'),
  ]
  for (const policy of modes) {
    const { ask, journal } = await setUp(t, { policy })
    await (await ask('ann')).text()
    t.ok(await until(async () => (await journal()).length === 1))
    t.match(await journal(), [{ mode: 'observe', type: 'illegal_model_request' }])
    t.equal((await ask('ann')).status, 200, 'twenty points would have banned him')
  }
  const off = await setUp(t, { policy: DEAR.replace('score: 20', 'score: 20\n    mode: off') })
  await (await off.ask('ann')).text()
  t.equal((await off.ask('ann')).status, 200)
  t.same(await off.journal(), [])
})

t.test('mistakes in outcomes are all told, with what was expected', async (t) => {
  const cwd = t.testdir({
    'p.yaml': [
      'version: 1', 'outcomes:', '  a: { when: { status: [200] } }', '  b: { violation: b }',
      '  c: { violation: c, when: { pointer: text } }', '  d: { violation: d, when: { equals: x } }',
      '  e: { violation: e, when: { staus: [200] } }', 'limiters: { loginIp: { only: guest } }',
      'routes:', '  - { match: GET /x, outcomes: [ilegalModel], forgive: soon }', '',
    ].join('\n'),
  })
  const error = await loadPolicy({ cwd, env: {}, policyFile: 'p.yaml' }).then(() => undefined, (error: unknown) => error)
  if (!(error instanceof ConfigErrors)) return t.fail('it was accepted', { error })
  const told = [
    '3:6 outcomes.a.violation: found nothing, expected the name of a violation',
    '4:6 outcomes.b.when: found nothing, expected by what the answer is known: status, event, or pointer and equals',
    '5:28 outcomes.c.when.equals: found nothing, expected what stands at the pointer',
    '6:28 outcomes.d.when.pointer: found nothing, expected where it stands: a JSON pointer',
    '7:30 outcomes.e.when.staus: found unknown key "staus"',
    '8:30 limiters.loginIp.only: found "guest", expected one of guests, members',
    '10:32 routes.0.outcomes: found "ilegalModel", expected an outcome of this policy',
    '10:56 routes.0.forgive: found "soon", expected a duration',
  ]
  for (const line of told) t.ok(error.message.includes(line), line, { message: error.message })
})

t.test('check and explain show what limiters count, how they refuse, what is forgiven, and outcomes', async (t) => {
  const policy = `${POLICY}limiters:
  guests: { key: ip, max: 3, window: 24h, only: guests, status: 402, type: GUEST_LIMIT }
  failed: { key: ip, max: 10, window: 5m, count: { status: [401, 403] }, violation: logins, shownAs: submission }
`.replace('outcomes: [illegalModel] }', 'outcomes: [illegalModel], limit: [guests, failed], forgive: 1s }')
  const cwd = t.testdir({ 'p.yaml': policy })
  const run = async (...argv: string[]) => {
    const [out, err] = [sink(), sink()]
    const env = { PORTCULLIS_POLICY: 'p.yaml', JWT_SECRET: 's' }
    t.equal(await runCommand({ argv, env, cwd, stdout: out.stream, stderr: err.stream }), 0, err.text())
    return out.text()
  }
  const check = await run('check')
  t.match(check, /guests +│ ip +│ 3 +│ .*│ guests +│ 402 GUEST_LIMIT/)
  t.match(check, /failed .*│ answers 401, 403 +│ 429, limiter "submission"/)
  t.match(check, /illegalModel +│ status 200, event error, \/text "Illegal model request" +│ illegal_model_request +│ 5 /)
  t.match(check, /guests, failed, forgives one repeated GET within 1s, outcome illegalModel/)
  const explained = await run('explain', 'GET', '/ask')
  t.match(explained, /limiter guests: 3 per .*counting guests; no violation; refused with 402 GUEST_LIMIT/)
  t.match(explained, /limiter failed: .*counting answers 401, 403; violation logins, score 1/)
  t.match(explained, /forgiven: a GET of the same address and path within 1s of the last counted one/)
  t.match(explained, /forward to the backend\n.*outcome illegalModel, when the answer has status 200, event error/)
})
