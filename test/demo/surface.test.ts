import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { json } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import Fastify from 'fastify'
import t from 'tap'
import { openEventStream } from '../../src/demo/event-stream.js'
import { bodyOf, startDemo, type Demo, type DemoUser } from './demo.js'

const megabyte = 1024 * 1024
const boundary = '----WebKitFormBoundary7MA4YWxkTrZu0gW'

function head (disposition: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: text/plain\r\n\r\n`
}

function sendForm (demo: Demo, user: DemoUser, body: Readable | string, type = `multipart/form-data; boundary=${boundary}`) {
  const init: RequestInit & { duplex: 'half' } = {
    method: 'POST',
    headers: { ...user.headers, 'content-type': type },
    body: typeof body === 'string' ? body : Readable.toWeb(body) as ReadableStream,
    duplex: 'half',
  }
  return fetch(`${demo.url}/api/files`, init)
}

t.test('an upload is answered with its name and size, fields before and after the bytes', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  for (const path of ['/api/files', '/api/files/images']) {
    const form = new FormData()
    form.append('endpoint', 'demo')
    form.append('file', new Blob(['\r\n--', boundary, '\0\r\n\r\n']), encodeURIComponent('späte Notiz.txt'))
    form.append('file_id', 'id-7')
    const response = await fetch(demo.url + path, { method: 'POST', headers: user.headers, body: form })
    t.equal(response.status, 200)
    const bytes = 4 + boundary.length + 5
    t.match(await bodyOf(response), { filename: 'späte Notiz.txt', bytes, file_id: 'id-7', user: user.id })
  }
})

t.test('a form is read the same however it is cut into chunks', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const content = `x\r\n--${boundary.slice(0, -1)}\r\n\r`
  const whole = `preamble\r\n${head('name="endpoint"')}\r\n${head('name="file"; filename="a.bin"')}${content}` +
    `\r\n--${boundary}--\r\nepilogue`
  for (const size of [1, 2, 3, 7, 50, 1_000]) {
    const chunks = whole.match(new RegExp(`[^]{1,${size}}`, 'g'))?.map((chunk) => Buffer.from(chunk)) ?? []
    t.match(await bodyOf(sendForm(demo, user, Readable.from(chunks))), { filename: 'a.bin', bytes: content.length })
  }
})

t.test('broken forms are refused, and the connection lives on', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const file = head('name="file"; filename="a"')
  for (const [body, type] of [
    [`${file}cut short`], ['no form at all'], [`--${boundary}xx\r\n`], [`${head('name="a"')}x\r\n--${boundary}--`],
    [`--${boundary}\r\nX: ${'y'.repeat(20_000)}`], [`${head('name="a"')}\r\n`.repeat(200)],
    [`${file}x\r\n--${boundary}--`, 'multipart/form-data'],
  ] as const) {
    const response = await sendForm(demo, user, body, type)
    t.equal(response.status, 400, body.slice(0, 30))
    t.match(await bodyOf(response), { message: /form/i })
  }
  t.equal((await sendForm(demo, user, '{}', 'application/json')).status, 400)
  const { headers } = user
  t.equal((await fetch(`${demo.url}/api/files`, { method: 'POST', headers })).status, 400, 'nothing sent')
  t.equal((await demo.post('/api/files', {})).status, 401)
})

t.test('uploads of 50 MB pass without being held in memory', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const block = Buffer.alloc(64 * 1024, 'x')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heldBytes = () => {
    collect()
    return process.memoryUsage().arrayBuffers
  }
  let peak = 0
  async function * body () {
    yield Buffer.from(head('name="file"; filename="big.bin"'))
    for (let sent = 0; sent < 50 * megabyte; sent += block.length) {
      if (sent % (5 * megabyte) === 0) peak = Math.max(peak, heldBytes())
      yield block
    }
    peak = Math.max(peak, heldBytes())
    yield Buffer.from(`\r\n--${boundary}--\r\n`)
  }
  const before = heldBytes()
  const type = `multipart/form-data; boundary=${boundary}`
  const upload = request(`${demo.url}/api/files`, { method: 'POST', headers: { ...user.headers, 'content-type': type } })
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>
  await pipeline(body, upload)
  const [response] = await answered
  t.match(await json(response), { filename: 'big.bin', bytes: 50 * megabyte })
  t.ok(peak - before < 25 * megabyte, `${Math.round((peak - before) / megabyte)} MB at most`)
})

t.test('the access log has one line per request, written before its answer', async (t) => {
  const demo = await startDemo(t)
  const user = await demo.user('ada')
  const agent = { 'user-agent': 'Mozilla/5.0 Test', 'x-forwarded-for': '203.0.113.9' }
  const { streamId } = await bodyOf(demo.post('/api/agents/chat/demo', { text: '[slow:60]' }, { ...user.headers, ...agent }))
  t.match(demo.lines.at(-1), {
    method: 'POST', url: '/api/agents/chat/demo', status: 200, userAgent: 'Mozilla/5.0 Test', xff: '203.0.113.9', userId: user.id,
  })
  t.match(demo.lines.at(-1)?.time, /^\d{4}-\d\d-\d\dT/)

  const stream = await demo.get(`/api/agents/chat/stream/${String(streamId)}?resume=true`, user.headers)
  t.match(demo.lines.at(-1), { url: `/api/agents/chat/stream/${String(streamId)}?resume=true`, status: 200 })
  await stream.body?.cancel()
  await demo.get('/nowhere')
  t.match(demo.lines.at(-1), { url: '/nowhere', status: 404, userId: undefined })

  const count = demo.lines.length
  const { port, hostname } = new URL(demo.url)
  const socket = connect(Number(port), hostname)
  socket.write('POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{')
  await sleep(100)
  socket.destroy()
  while (demo.lines.length === count) await sleep(10)
  t.match(demo.lines.at(-1), { url: '/api/auth/login' }, 'one who leaves half-way is in it too')
  await sleep(50)
  t.equal(demo.lines.length, count + 1)
})

t.test('a viewer who does not read is let go, not buffered for', async (t) => {
  const server = Fastify({ forceCloseConnections: true })
  const closed = Promise.withResolvers<number>()
  server.get('/', async (_request, reply) => {
    const stream = openEventStream(reply)
    let sent = 0
    const timer = setInterval(() => stream.send('message', { text: 'x'.repeat(100_000), at: ++sent }), 1)
    stream.onClose(() => {
      clearInterval(timer)
      closed.resolve(sent)
    })
    return reply
  })
  t.teardown(() => server.close())
  const { port, hostname } = new URL(await server.listen({ host: '127.0.0.1', port: 0 }))
  const socket = connect(Number(port), hostname).pause()
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const sent = await closed.promise
  t.ok(sent > 10 && sent < 200, `after ${sent} frames of 100 kB`)
})

t.test('health, configuration and pages', async (t) => {
  const account = { email: 'demo@example.com', name: 'Demo', password: 'drawbridge' }
  const demo = await startDemo(t, { account })
  t.equal(await (await demo.get('/health')).text(), 'OK')
  t.match(await bodyOf(demo.get('/api/config')), { demoAccount: { email: account.email, password: account.password } })
  for (const path of ['/', '/login?redirect=false&error=auth_failed', '/c/new']) {
    const response = await demo.get(path)
    t.match(response.headers.get('content-type'), /^text\/html/)
    t.match(response.headers.get('content-security-policy'), /default-src 'none'; script-src 'sha256-/)
    t.notMatch(await response.text(), /(?:src|href)="(?!data:)|https?:|innerHTML/, 'nothing from elsewhere')
  }
  const unknown = await demo.get('/api/unknown')
  t.equal(unknown.status, 404)
  t.match(await bodyOf(unknown), { message: 'Endpoint not found' })
})
