/** Which requests cost something, who may speak at all, and who hears why not: by policies of no backend in particular. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer, type RawData } from 'ws'
import { startBackend } from '../helpers/backends.js'
import { startProduct, testClock, type Product, type ProductOptions } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'

const JSON_TYPE = { 'content-type': 'application/json' }
const SECRET = { 'x-secret': '0123456789abcdef' }

interface Answer { readonly status: number, readonly text: string, readonly left: number | undefined }
type Headers = Readonly<Record<string, string | string[]>>
interface Sent { readonly method?: string, readonly path?: string, readonly headers?: Headers }

/** A backend, which closes what it answers with `status`, behind the product. */
async function start (t: Test, policy: string, options: Partial<ProductOptions> = {}) {
  const came: string[] = []
  const backend = { status: 200 }
  const { url, server } = await startBackend(t, (request, response) => {
    came.push(`${request.method} ${request.url}`)
    request.resume().on('end', () => { response.writeHead(backend.status).end('{}') })
  })
  const product = await startProduct(t, { upstream: url, policy: `version: 1\npreset: generic\n${policy}`, ...options })
  const send = (body: unknown, sent: Sent = {}) => ask(product, body, sent)
  return { came, backend, server, product, send }
}

function ask ({ url }: Product, body: unknown, { method = 'POST', path = '/chat', headers = JSON_TYPE }: Sent) {
  return new Promise<Answer>((resolve, reject) => {
    const request = httpRequest(url + path, { method, headers: { ...headers } }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => { text += chunk.toString() })
      response.on('end', () => {
        const left = response.headers['x-ratelimit-remaining']
        resolve({ status: response.statusCode ?? 0, text, left: left === undefined ? undefined : Number(left) })
      })
    })
    request.on('error', reject)
    request.end(typeof body === 'string' || body === undefined ? body : JSON.stringify(body))
  })
}

const CHAT = `
limiters:
  chat: { key: global, max: 2, window: 1m }
  failed: { key: global, max: 1, window: 1m, count: { status: [404] } }
content: { default: { checks: [{ kind: keywords, list: [forbidden], action: refuse, message: "Not that." }] } }
concurrency: { messages: { key: global, max: 1, lease: 5m } }
routes:
  - match: "* /chat"
    when: { body: [{ at: /kind, in: [question] }, { at: /kind, in: [order], all: [{ at: /for, name: bot }] }] }
    limit: [chat, failed]
    prompt: { text: /text }
    content: default
    concurrency: messages
`

t.test('no spelling of a name makes a message free that some backend takes for one that costs', async (t) => {
  const { send } = await start(t, `
limiters: { chat: { key: global, max: 9, window: 1m } }
routes:
  - { match: POST /chat, limit: [chat], when: { body: [{ at: /kind, in: [question] }, { at: /silent, exists: false, all: [{ at: /text }] }] } }
`)
  const counted = [{ Kind: 'question' }, { kind: 'chatter', KIND: 'question' }, { text: 'x', Silent: true }]
  for (const [n, body] of counted.entries()) t.equal((await send(body)).left, 8 - n, JSON.stringify(body))
  for (const body of [{ kind: 'chatter', Other: 1 }, { text: 'x', silent: true }]) t.equal((await send(body)).left, undefined)
})

t.test('only triggers are counted and looked at; everything else passes', async (t) => {
  const { send, came } = await start(t, CHAT)
  const free = [{}, { kind: 'chatter', text: 'forbidden' }, { kind: 'order', text: 'forbidden', for: 'another' }, []]
  for (const body of [...free, ...free]) t.match(await send(body), { status: 200, left: undefined })
  t.match(await send({ kind: 'question', text: 'forbidden' }), { status: 400, text: /Not that/ })
  t.match(await send({ kind: 'order', for: '@BOT', text: 'hi' }), { status: 200, left: 0 })
  t.equal((await send({ kind: 'question', text: 'hi' })).status, 429)
  for (const body of free) t.equal((await send(body)).status, 200)
  t.equal(came.length, 13)

  const counted = await start(t, CHAT)
  counted.backend.status = 404
  for (let n = 0; n < 3; n++) t.equal((await counted.send({ kind: 'chatter' })).status, 404)
  t.equal((await counted.send({ kind: 'question' })).status, 404, 'answers to others than triggers are not counted either')
  t.equal((await counted.send({ kind: 'question' })).status, 429)
})

t.test('what is no JSON counts, what has no body does not, and what could be read in two ways is refused', async (t) => {
  const { send } = await start(t, `
limiters: { chat: { key: global, max: 2, window: 1m } }
routes: [{ match: "* /chat", limit: [chat], when: { body: { at: /kind, in: [question] } } }]
`)
  t.equal((await send('kind=chatter', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })).left, 1)
  t.equal((await send('hello', { headers: { 'content-type': 'text/plain' } })).left, 0)
  t.equal((await send(undefined, { method: 'GET', headers: {} })).left, undefined)
  t.equal((await send(undefined, { headers: {} })).left, undefined)
  for (const body of ['{"kind":"chatter","kind":"question"}', '{', '{"kind":"chatter"}}']) {
    t.equal((await send(body)).status, 400, body)
  }
  t.equal((await send('{"kind":"chatter"}', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } })).status, 400)
  t.equal((await send(`"${'x'.repeat(4_000_000)}"`)).status, 413)
})

t.test('where several entries apply, a message is a trigger when any of them takes it for one', async (t) => {
  const counts = async (other: string, body: unknown) => {
    // Backends differ over whether a trailing part after a semicolon belongs to the path.
    const { send } = await start(t, `
limiters: { a: { key: global, max: 9, window: 1m }, b: { key: global, max: 9, window: 1m } }
routes:
  - { match: POST /chat, limit: [a], when: { body: { at: /a } } }
  - { match: "POST /:page", ${other} }
`)
    return (await send(body, { path: '/chat;x' })).left !== undefined
  }
  const judging = 'limit: [b], when: { body: { at: /b } }'
  t.ok(await counts(judging, { a: 1 }) && await counts(judging, { b: 1 }))
  t.notOk(await counts(judging, { c: 1 }))
  t.ok(await counts('limit: [b]', { c: 1 }), 'an entry without when asks all')
  t.notOk(await counts('auth: required', { c: 1 }), 'unless it asks nothing of them')
})

t.test('each frame is judged by itself', async (t) => {
  const { server, product } = await start(t, `
limiters: { chat: { key: global, max: 1, window: 1m } }
routes: [{ match: GET /ws, frames: inspect, limit: [chat], when: { body: { at: /type, in: [chat] } }, reply: cheshire-cat }]
`)
  new WebSocketServer({ server }).on('connection', (peer) => {
    peer.on('message', (data: RawData) => { peer.send(`echo ${(data as Buffer).toString()}`) })
  })
  const socket = new WebSocket(`${product.url.replace('http', 'ws')}/ws`)
  t.teardown(() => { socket.terminate() })
  await once(socket, 'open')
  const say = async (text: string) => {
    socket.send(text)
    return (await once(socket, 'message') as [Buffer])[0].toString().startsWith('echo')
  }
  const said = []
  for (const text of ['{"type":"ping"}', '{"type":"chat"}', '{"type":"chat"}', '{"type":"ping"}', 'no JSON']) said.push(await say(text))
  t.strictSame(said, [true, true, false, true, false])
})

const SECRETS = `
identity:
  - from: ["body:/user"]
    secretHeader: { name: X-Secret, value: "0123456789abcdef", required: true }
    group: [{ from: "body:/room/id", unless: [{ at: /room/kind, in: [private] }, { at: /room/closed }] }, "body:/channel"]
limiters: { people: { key: user, max: 9, window: 1m }, rooms: { key: group, max: 5, window: 1m } }
routes: [{ match: "* /chat", limit: [people, rooms] }]
`

t.test('a required secret is asked for before a byte of the body, of every method, path and upgrade', async (t) => {
  const { send, came, product } = await start(t, SECRETS)
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
    for (const path of ['/chat', '/', '/elsewhere']) t.equal((await send(undefined, { method, path, headers: {} })).status, 401, `${method} ${path}`)
  }
  const preflight = { origin: 'https://a.example', 'access-control-request-method': 'POST' }
  t.equal((await send(undefined, { method: 'OPTIONS', headers: preflight })).status, 401)
  const wrong = ['', '0123456789abcde', '0123456789abcdeF', '0123456789abcdef0', 'é', ['0123456789abcdef', '0123456789abcdef'], ['x', '0123456789abcdef']]
  for (const value of wrong) t.equal((await send({}, { headers: { ...JSON_TYPE, 'x-secret': value } })).status, 401, `${value}`)
  t.equal(came.length, 0)
  t.equal(await unread(product), 401, 'the body need not come')
  t.match(await upgrade(product, {}), /^HTTP\/1.1 401 /)
  t.notMatch(await upgrade(product, SECRET), /^HTTP\/1.1 401 /)
  t.match(await send({ user: 'ada' }, { headers: { ...JSON_TYPE, ...SECRET } }), { status: 200, left: 8 })
  await product.reload(`version: 1\npreset: generic\nmode: observe\n${SECRETS}`)
  t.equal((await send({ user: 'ada' })).status, 200, 'observed, it only is noted')
  t.ok(product.log.lines.some(({ message, rule }) => message === 'would have been refused' && rule === 'wrong_secret'))
})

/** What is answered to a request whose body never comes. */
async function unread ({ url }: Product): Promise<number | undefined> {
  const request = httpRequest(`${url}/chat`, { method: 'POST', headers: { 'content-length': '100', ...JSON_TYPE } })
  request.on('error', () => {})
  request.flushHeaders()
  const [response] = await once(request, 'response') as [{ statusCode?: number }]
  request.destroy()
  return response.statusCode
}

async function upgrade ({ url }: Product, headers: Headers): Promise<string> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/chat`, { headers: { ...headers } as Record<string, string> })
  socket.on('error', () => {})
  const [, response] = await once(socket, 'unexpected-response') as [unknown, { statusCode: number, httpVersion: string }]
  socket.terminate()
  return `HTTP/${response.httpVersion} ${response.statusCode} `
}

t.test('no group stands where its condition says so', async (t) => {
  const { send } = await start(t, SECRETS)
  const left = async (body: unknown) => (await send({ user: 'ada', ...body as object }, { headers: { ...JSON_TYPE, ...SECRET } })).left
  t.equal(await left({ room: { id: 1, kind: 'private' } }), 8, 'the user alone')
  t.equal(await left({ room: { id: 1, kind: 'public', closed: true } }), 7)
  t.equal(await left({ room: { id: 1, kind: 'public' } }), 4)
  t.equal(await left({ room: { id: 1, kind: 'private' }, channel: 1 }), 3, 'the next place may name one')
  for (const [group, room] of [
    [2, { id: 2, kind: 'public', Kind: 'private' }], [3, { id: 3, kind: 'private', Kind: 'public' }], [4, { ID: 4, KIND: 'private' }],
  ]) t.equal(await left({ user: group, room }), 4, `the group of ${JSON.stringify(room)}, whatever a backend reads`)
  const contradicting = [{ room: { id: 1, Id: 2 } }, { User: 'bob' }, { room: { id: 1 }, Room: { id: 2 } }]
  for (const body of contradicting) {
    const { status } = await send({ user: 'ada', ...body }, { headers: { ...JSON_TYPE, ...SECRET } })
    t.equal(status, 400, `nobody can say whom it is from: ${JSON.stringify(body)}`)
  }
})

const DROP = (more = '') => `
limiters: { cost: { key: global, max: 1, window: 1m, algorithm: sliding-window, persist: true, onExceed: { drop: silent, ${more} message: "Wait {minutes} of {windowMinutes}, {max} pass." } } }
routes: [{ match: POST /chat, limit: [cost], reply: REPLY }]
`

const windowsIn = ({ dataDir }: Product) =>
  (JSON.parse(readFileSync(join(dataDir, 'windows.json'), 'utf8')) as { windows: Record<string, { startedAt: number }> }).windows

t.test('a dialect that cannot be silent tells every refusal, a silent one one in so long', async (t) => {
  const plain = await start(t, DROP().replace('REPLY', 'openai'))
  await plain.send({})
  for (let n = 0; n < 3; n++) t.match(await plain.send({}), { status: 429, text: /Wait 1 of 1, 1 pass\./ })

  const silent = await start(t, DROP('warnEvery: 2m,').replace('REPLY', 'telegram'))
  const fate = async () => {
    const { status, text } = await silent.send({ message: { chat: { id: 7, type: 'private' } } })
    t.equal(status, 200)
    return text === '{}' ? 'passed' : /Wait 1 of 1, 1 pass\./.test(text) ? 'told' : text
  }
  t.strictSame([await fate(), await fate(), await fate()], ['passed', 'told', ''])
  silent.product.clock.advance(61_000)
  t.strictSame([await fate(), await fate()], ['passed', ''])
  silent.product.clock.advance(61_000)
  t.strictSame([await fate(), await fate(), await fate()], ['passed', 'told', ''])

  const { product } = silent
  product.clock.advance(240_000)
  t.strictSame([await fate(), await fate()], ['passed', 'told'])
  const kept = windowsIn(product)['portcullis:warned:cost\nglobal']
  t.equal(kept?.startedAt, product.clock(), 'on disk before it is told, whatever kills the process')

  const never = await start(t, DROP('warnEvery: 0,').replace('REPLY', 'telegram'))
  await never.send({ message: { chat: { id: 7 } } })
  t.match(await never.send({ message: { chat: { id: 7 } } }), { status: 200, text: '' })
})

t.test('two instances tell once between them, also after a restart, and one by one while Redis is away', async (t) => {
  const redis = await startRedis(t)
  const clock = testClock()
  const options = { clock, redis: { url: redis.url, prefix: 'drop' } }
  const policy = DROP().replace('REPLY', 'telegram')
  const update = { message: { chat: { id: 7, type: 'private' } } }
  const [a, b] = [await start(t, policy, options), await start(t, policy, options)]
  const burst = async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => (n % 2 === 0 ? a : b).send(update)))
    const told = answers.filter(({ text }) => text.includes('Wait')).length
    return [answers.filter(({ text }) => text === '{}').length, told, answers.filter(({ text }) => text === '').length]
  }
  t.strictSame(await burst(), [1, 1, 28])
  clock.advance(30_000)
  t.strictSame(await burst(), [0, 0, 30])
  clock.advance(31_000)
  t.strictSame(await burst(), [1, 1, 28])
  await a.product.close()
  const c = await start(t, policy, options)
  t.match(await c.send(update), { status: 200, text: '' }, 'told a moment ago')
  clock.advance(61_000)
  await redis.kill()
  const texts = [(await c.send(update)).text, (await c.send(update)).text, (await c.send(update)).text]
  t.match(texts, ['{}', /Wait/, /^$/], 'each instance for itself')
})

const ALLOW = (rules: string) => `
identity: [{ from: ["body:/user"], secretHeader: { name: x-secret, value: "0123456789abcdef" }, group: ["body:/group"] }]
allow: ${rules}
routes: [{ match: POST /chat, when: { body: { at: /call } } }, { match: POST /members, auth: required }]
`
const BODIES = [{ user: 1 }, { user: 2 }, { user: 1, group: -1 }, { user: 2, group: -1 }, { user: 1, group: -2 }, {}]

t.test('users are judged by their list, groups by theirs, and nobody passes where nobody is required', async (t) => {
  const { send, product } = await start(t, ALLOW('{}'))
  const passing = async (rules: string) => {
    await product.reload(`version: 1\npreset: generic\n${ALLOW(rules)}`)
    let passed = ''
    for (const path of ['/chat', '/members']) {
      for (const body of BODIES) passed += (await send(body, { path, headers: { ...JSON_TYPE, ...SECRET } })).status === 200 ? '+' : '-'
      passed += ' '
    }
    return passed.trim()
  }
  t.equal(await passing('{}'), '++++++ ++++++', 'no list')
  t.equal(await passing('{ required: true }'), '-----+ ------')
  t.equal(await passing('{ users: [1] }'), '+----+ +-----')
  t.equal(await passing('{ groups: [-1] }'), '--++-+ --++--')
  t.equal(await passing('{ users: [1], groups: [-1], required: true }'), '+-++-+ +-++--')
  t.equal(await passing('{ users: "*", groups: [-1], required: true }'), '++++-+ ++++-+')
  t.equal(await passing('{ users: [1], groups: "*" }'), '+-++++ +-+++-')
  t.equal(await passing('{ users: "*", groups: "*", required: true }'), '++++++ ++++++')
})

t.test('who is on no list is told once in so long and chat; groups only when somebody asks', async (t) => {
  const policy = ALLOW('{ required: true, notice: { message: Members only, every: 2m } }')
    .replace('match: POST /chat,', 'match: POST /chat, reply: telegram,')
  const { send, came, product } = await start(t, policy)
  const told = async (body: object) => {
    const chat = { chat: { id: 7, type: 'private' } }
    const { status, text } = await send({ message: chat, ...body }, { headers: { ...JSON_TYPE, ...SECRET } })
    t.equal(status, 200)
    return text.includes('Members only')
  }
  t.strictSame([await told({ user: 1 }), await told({ user: 1 }), await told({ user: 2 })], [true, false, true])
  t.strictSame([await told({ group: 1 }), await told({ group: 1, call: 1 })], [false, true])
  t.strictSame([await told({ group: 1, call: 1 }), await told({ group: 2, call: 1 })], [false, true])
  product.clock.advance(119_000)
  t.notOk(await told({ user: 1 }))
  product.clock.advance(2_000)
  t.strictSame([await told({ user: 1 }), await told({ group: 1, call: 1 })], [true, true])
  t.equal(came.length, 0)
})

t.test('the chat that would read it is told, whoever spoke in it; a restart forgets none', async (t) => {
  const policy = ALLOW('{ required: true, notice: { message: Members only, chat: [/message/chat/id, /button/chat/id] } }')
    .replace('match: POST /chat,', 'match: POST /chat, reply: telegram,')
  const { send, product, backend } = await start(t, policy)
  const told = async (body: object) => (await send(body, { headers: { ...JSON_TYPE, ...SECRET } })).text.includes('Members only')
  const from = (user: number, chat: unknown) => ({ user, call: 1, message: { chat: { id: chat } } })
  t.strictSame([await told(from(1, 7)), await told(from(2, 7)), await told(from(1, 8))], [true, false, true])
  t.notOk(await told({ user: 3, button: { chat: { id: 7 } }, message: { chat: { title: 'none' } } }), 'the first that is there')
  t.notOk(await told({ ...from(1, 9), group: 9, call: null }), 'where somebody asked')
  t.ok(await told({ ...from(1, 9), group: 9 }))
  const { startedAt } = windowsIn(product)['portcullis:warned:allow\nchat:9'] ?? {}
  t.equal(startedAt, product.clock(), 'on disk before it is told')
  t.notOk(await told({ user: 4, message: { chat: { id: 10 }, business_connection_id: 'b' } }), 'never in the name of a person')
  t.equal(backend.status, 200)
})
