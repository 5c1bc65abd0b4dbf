import t from 'tap'
import { readBody } from '../../src/gateway/read-body.js'
import { startBackend, until } from '../helpers/backends.js'
import { rawClient } from '../helpers/raw-client.js'
import { browserOf, startSlow } from './slow-rig.js'

const CHAT = '/api/agents/chat/openAI'
const JSON_BODY = { 'content-type': 'application/json' }

/** A route whose answer is the message: limiters and slots with nothing to read between them. */
const PLAIN = `
version: 1
limiters:
  perUser: { key: user, max: 20, window: 1m, violation: message_limit }
  perAddress: { key: ip, max: 20, window: 1m }
concurrency:
  answers: { key: user, max: 5, lease: 5m, release: response, violation: concurrent }
  turns: { key: ip, max: 2, lease: 5m, release: response }
routes:
  - { match: "GET,POST /plain", auth: required, limit: [perUser], concurrency: answers }
  - { match: POST /bot, limit: [perAddress], concurrency: turns }
`
const head = (path: string, ...more: string[]) => {
  const { authorization, 'user-agent': agent } = browserOf('ann')
  return [`POST ${path} HTTP/1.1`, 'host: a', `authorization: ${authorization}`, `user-agent: ${agent}`, ...more].join('\r\n') + '\r\n\r\n'
}

t.test('a request costs the store one call before it is forwarded, two where its body is read, none where nothing is limited', async (t) => {
  const slow = await startSlow(t, { policy: PLAIN })
  const { connection } = slow
  const costOf = async (path: string, init?: Parameters<typeof slow.send>[1]) => {
    connection.sent.length = 0
    const { status } = await slow.send(path, init)
    const calls = status === 200 ? slow.reached.at(-1)?.calls : connection.sent
    await connection.quiet()
    return { status, calls }
  }
  t.same(await costOf('/plain'), { status: 200, calls: ['decide'] })
  t.same(connection.sent, ['decide', 'release'], 'and the slot is given back behind the answer')
  t.same(await costOf('/bot'), { status: 200, calls: ['decide'] })
  t.same(await costOf('/free'), { status: 200, calls: [] })
  t.same(await costOf(CHAT, { headers: JSON_BODY, body: '{"text":"hello","clientRequestId":"c1"}' }), { status: 200, calls: ['decide', 'take'] })
  await slow.bans.place([{
    subject: 'user:mallory', violation: 'manual', score: 0, createdAt: slow.clock(), expiresAt: null, source: 'admin', linked: [],
  }])
  t.same(await costOf('/plain', { user: 'mallory' }), { status: 403, calls: [] })
})

t.test('with an identity in the body, limiters and slots are one call behind it', async (t) => {
  const slow = await startSlow(t, {
    policy: `${PLAIN}
identity: [{ from: "body:/from", secretHeader: { name: x-secret, value: "0123456789abcdef" } }]
`,
  })
  const answer = await slow.send('/plain', { headers: { ...JSON_BODY, 'x-secret': '0123456789abcdef' }, body: '{"from":"42"}' })
  t.equal(answer.status, 200)
  t.same(slow.reached, [{ target: 'POST /plain', calls: ['decide'] }])
})

t.test('of many requests at once exactly max pass, and exactly so many messages are in flight', async (t) => {
  const answers: (() => void)[] = []
  let isHeld = false
  const slow = await startSlow(t, {
    policy: PLAIN,
    answer: (request, response) => {
      request.resume()
      if (isHeld) answers.push(() => response.end())
      else response.end()
    },
  })
  const crowd = async (size: number, user: string) => {
    const statuses = (await Promise.all(Array.from({ length: size }, async () => {
      const answer = await slow.send('/plain', { user })
      return { status: answer.status, text: await answer.text() }
    })))
    return statuses.filter(({ status }) => status !== 200).map(({ text }) => JSON.parse(text) as { type: string })
  }
  isHeld = true
  const held = crowd(12, 'ann')
  t.ok(await until(() => answers.length === 5))
  t.ok(await until(async () => await slow.ended('concurrency') === 7))
  answers.splice(0).forEach((answer) => answer())
  t.ok((await held).every(({ type }) => type === 'concurrent'))
  await slow.connection.quiet()
  t.equal(await slow.held('ann', 'answers'), 0)
  isHeld = false
  const refused = await crowd(30, 'ann')
  t.equal(refused.filter(({ type }) => type === 'message_limit').length, 22, '12 of 20 places are used')
  const scores = await slow.scores('user:ann')
  t.match(scores.find(({ type }) => type === 'message_limit'), { score: 22 })
  t.equal(scores.find(({ type }) => type === 'concurrent')?.score, refused.length - 22 + 7)
  t.equal(slow.journal.length, refused.length + 7)
})

t.test('a client that leaves while a store is asked costs the backend nothing, and its slot goes back', async (t) => {
  const slow = await startSlow(t, { policy: PLAIN })
  const body = '{"text":"hello"}'
  const cases: readonly (readonly [what: string, waitsFor: string, bytes: string])[] = [
    ['its only call', 'decide', head('/plain')],
    ['a body that is not there yet', 'decide', head(CHAT, 'content-length: 100', 'content-type: application/json') + '{"text":'],
    ['the call behind the body', 'take', head(CHAT, `content-length: ${body.length}`, 'content-type: application/json') + body],
  ]
  let gone = 0
  for (const [what, waitsFor, bytes] of cases) {
    slow.connection.sent.length = 0
    slow.connection.pause(waitsFor)
    const client = await rawClient(t, slow.port, bytes)
    t.ok(await slow.asked(waitsFor), what)
    client.socket.destroy()
    t.ok(await until(() => slow.sockets.size === 0))
    slow.connection.resume()
    gone++
    t.ok(await until(async () => await slow.ended('gone') === gone), `${what}: it is noticed`)
    await slow.connection.quiet()
    t.equal(await slow.held('ann', 'answers') + await slow.held('ann', 'messages'), 0)
  }
  t.same(slow.reached, [])
})

t.test('a body whose client has left already is not waited for', async (t) => {
  const read: unknown[] = []
  const backend = await startBackend(t, (request) => {
    request.destroy()
    request.once('close', () => { readBody(request, { maxBytes: 100 }).then((body) => { read.push(body) }, t.fail) })
  })
  await t.rejects(fetch(backend.url, { method: 'POST', body: 'hello' }))
  t.ok(await until(() => read.length === 1))
  t.same(read, ['MALFORMED_REQUEST'])
})

t.test('a ban that comes while a store is asked holds at once', async (t) => {
  const slow = await startSlow(t, { policy: PLAIN })
  slow.connection.pause()
  const answer = slow.send('/plain')
  t.ok(await slow.asked('decide'))
  await slow.bans.place([{
    subject: 'user:ann', violation: 'manual', score: 0, createdAt: slow.clock(), expiresAt: null, source: 'admin', linked: [],
  }])
  slow.connection.resume()
  t.equal((await answer).status, 403)
  t.same(slow.reached, [])
  await slow.connection.quiet()
  t.equal(await slow.held('ann', 'answers'), 0)
})

t.test('a store that fails is answered with 503 in the form of the route, told of once a second, and forgotten when it is back', async (t) => {
  const slow = await startSlow(t, { policy: PLAIN })
  slow.connection.failure = new Error('away')
  for (const [path, init] of [['/plain', {}], [CHAT, { headers: JSON_BODY, body: '{"text":"hello"}' }]] as const) {
    for (let sent = 0; sent < 10; sent++) {
      const answer = await slow.send(path, init)
      t.equal(answer.status, 503)
      t.equal(answer.headers.get('retry-after'), '1')
      t.match(await answer.json(), { type: 'store_unavailable', message: /try again/, requestId: /./, retryAfterSeconds: 1 })
    }
  }
  t.equal((await slow.send(CHAT, { headers: { 'user-agent': 'curl/8' } })).status, 403, 'who is refused anyway is refused')
  t.same(slow.reached, [])
  const told = () => slow.log.lines.filter(({ level }) => level === 'warn')
  t.match(told(), [{ err: { message: 'away' } }, { err: { message: 'away' } }], 'once for each who asks')
  slow.connection.failure = undefined
  await slow.connection.quiet()
  t.equal(await slow.held('ann', 'answers'), 0, 'slots whose grant was not heard of went back')
  t.equal((await slow.send('/plain')).status, 200)
  t.equal(told().length, 2)
})

t.test('where nothing is enforced, a store that fails troubles nobody', async (t) => {
  const slow = await startSlow(t, { policy: `${PLAIN}mode: observe\n` })
  slow.connection.failure = new Error('away')
  t.equal((await slow.send('/plain')).status, 200)
  t.equal((await slow.send(CHAT, { headers: JSON_BODY, body: '{"text":"hello"}' })).status, 200)
  t.equal(slow.reached.length, 2)
})

t.test('a gateway that drains waits for requests that wait for a store', async (t) => {
  const slow = await startSlow(t, { policy: PLAIN })
  slow.connection.pause()
  const answer = slow.send('/plain')
  t.ok(await slow.asked('decide'))
  const closed = slow.close()
  slow.connection.resume()
  t.equal(await (await answer).text(), 'backend')
  await closed
  await slow.connection.quiet()
  t.equal(await slow.held('ann', 'answers'), 0)
})
