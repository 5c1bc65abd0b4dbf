import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request as httpRequest, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { startBackend, until } from '../helpers/backends.js'
import { rawClient, rawExchange } from '../helpers/raw-client.js'
import { FORWARDERS, startHarness } from './harness.js'

const fixtures = join(import.meta.dirname, 'fixtures')
const tls = { key: readFileSync(join(fixtures, 'key.pem'), 'utf8'), cert: readFileSync(join(fixtures, 'cert.pem'), 'utf8') }

function ask (port: number, options: RequestOptions = {}): ClientRequest {
  const request = httpRequest({ port, host: '127.0.0.1', agent: false, ...options })
  request.on('error', () => {})
  return request
}

async function answerOf (request: ClientRequest): Promise<IncomingMessage> {
  const [answer] = await once(request, 'response') as [IncomingMessage]
  return answer
}

async function textOf (answer: IncomingMessage): Promise<string> {
  return Buffer.concat(await answer.toArray() as Buffer[]).toString()
}

for (const forwarder of FORWARDERS) {
  t.test(`1 (${forwarder}): a thousand open streams do not hold up a plain request`, async (t) => {
    let open = 0
    const backend = await startBackend(t, (request, response) => {
      if (request.url === '/plain') return response.end('plain')
      open++
      response.on('close', () => { open-- })
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: hello\n\n')
    })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    const streams = await Promise.all(Array.from({ length: 1_000 }, async () => {
      const answer = await answerOf(ask(port, { path: '/stream' }).end())
      await once(answer, 'data')
      return answer
    }))
    t.equal(open, 1_000)
    const started = performance.now()
    t.equal(await textOf(await answerOf(ask(port, { path: '/plain' }).end())), 'plain')
    t.ok(performance.now() - started < 1_500, 'and it did not wait')
    for (const stream of streams) stream.destroy()
    t.ok(await until(() => open === 0, 3_000), 'every stream is freed at the backend')
  })

  t.test(`2 (${forwarder}): a client that leaves before the head frees the backend`, async (t) => {
    let working = 0
    const backend = await startBackend(t, (request, response) => {
      request.resume()
      working++
      response.on('close', () => { working-- })
    })
    const { port, seen } = await startHarness(t, backend.url, { rules: { forwarder } })
    for (const method of ['GET', 'POST']) {
      const requests = Array.from({ length: 20 }, () => ask(port, { method }).end(method === 'POST' ? '{"text":"hi"}' : undefined))
      t.ok(await until(() => working === 20, 2_000), `20 of 20 ${method} reach the backend`)
      for (const request of requests) request.destroy()
      t.ok(await until(() => working === 0), `20 of 20 ${method} are cancelled within a second`)
    }
    t.ok(await until(() => seen.every(({ ends }) => ends.join() === 'aborted')), 'and observers hear of it once')
  })

  t.test(`3 (${forwarder}): the head of a stream does not wait for its first chunk`, async (t) => {
    const backend = await startBackend(t, (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    const late = new Promise((resolve) => setTimeout(resolve, 500, 'late'))
    const answer = await Promise.race([answerOf(ask(port).end()), late])
    t.not(answer, 'late')
  })

  t.test(`4 (${forwarder}): time-outs are the policy's, and none of them is hidden`, async (t) => {
    const backend = await startBackend(t, (request, response) => {
      if (request.url === '/silent') return
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('one')
      if (request.url === '/pausing') setTimeout(() => { response.end('two') }, 1_600)
    })
    const patient = await startHarness(t, backend.url, { rules: { forwarder } })
    const limits = { responseTimeoutMs: 300, idleTimeoutMs: 300 }
    const hasty = await startHarness(t, backend.url, { rules: { forwarder, ...limits } })
    const pausing = answerOf(ask(patient.port, { path: '/pausing' }).end()).then(textOf)
    const slow = await answerOf(ask(hasty.port, { path: '/silent' }).end())
    t.equal(slow.statusCode, 504)
    t.same(hasty.faults, ['UPSTREAM_TIMEOUT'])
    await t.rejects(answerOf(ask(hasty.port, { path: '/stalled' }).end()).then(textOf), 'a stream idle for too long is cut')
    t.equal(await pausing, 'onetwo')
  })

  t.test(`5 (${forwarder}): event streams with a charset and GETs with a body are like any other`, async (t) => {
    const backend = await startBackend(t, (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      request.pipe(response)
    })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    const answer = await answerOf(ask(port, { headers: { 'content-length': 5 } }).end('hello'))
    t.equal(answer.headers['content-type'], 'text/event-stream; charset=utf-8')
    t.equal(await textOf(answer), 'hello')
  })

  t.test(`6 (${forwarder}): Expect: 100-continue is answered by us and ends at us`, async (t) => {
    let expect: string | undefined
    const backend = await startBackend(t, (request, response) => {
      expect = request.headers.expect
      request.pipe(response)
    })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    const client = await rawClient(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n')
    t.ok(await client.sees('HTTP/1.1 100 Continue\r\n\r\n'))
    client.socket.write('x'.repeat(100_000))
    t.match(await client.closed(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    t.equal(expect, undefined)
  })

  t.test(`7 (${forwarder}): an early 413 reaches a client that is still sending`, async (t) => {
    const backend = await startBackend(t, (_, response) => {
      response.writeHead(413, { 'content-type': 'text/plain', connection: 'close' }).end('too large')
    })
    const { port, seen } = await startHarness(t, backend.url, { rules: { forwarder } })
    for (const connection of ['close', 'keep-alive']) {
      const client = await rawClient(t, port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\nConnection: ${connection}\r\n\r\n`)
      let reset = false
      client.socket.on('error', () => { reset = true })
      client.socket.write(Buffer.alloc(1_000_000))
      t.ok(await client.sees('too large'), connection)
      t.match(client.text(), /^HTTP\/1\.1 413 /)
      await new Promise((resolve) => client.socket.write(Buffer.alloc(9_000_000), resolve))
      t.notOk(reset, 'and it may finish sending')
      t.same(seen.at(-1)?.ends, ['complete'])
    }
  })

  t.test(`8 (${forwarder}): no hidden limit and no parser stands in a body's way`, async (t) => {
    const backend = await startBackend(t, (request, response) => {
      let length = 0
      request.on('data', (chunk: Buffer) => { length += chunk.length }).on('end', () => response.end(String(length)))
    })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    for (const type of ['application/json', 'multipart/form-data; boundary=x', 'application/x-nobody-knows', 'text/plain']) {
      const request = ask(port, { method: 'POST', headers: { 'content-type': type } })
      request.end(Buffer.alloc(3_000_000, '{'))
      t.equal(await textOf(await answerOf(request)), '3000000', type)
    }
  })

  t.test(`9 (${forwarder}): certificates are verified unless the policy says otherwise`, async (t) => {
    const backend = await startBackend(t, (request, response) => { response.end(request.headers.host) }, { tls })
    const outcome = async (rules: object): Promise<unknown> => {
      const { port, faults } = await startHarness(t, backend.url, { rules: { forwarder, ...rules } })
      const answer = await answerOf(ask(port, { headers: { host: 'public.example' } }).end())
      return answer.statusCode === 200 ? await textOf(answer) : faults[0]
    }
    t.equal(await outcome({}), 'UPSTREAM_UNREACHABLE', 'unknown authority')
    t.equal(await outcome({ verify: false }), 'public.example')
    t.equal(await outcome({ ca: tls.cert }), 'public.example', 'the URL names the certificate, not Host')
    const named = backend.url.replace('127.0.0.1', 'localhost')
    t.equal(await outcome({ ca: tls.cert, url: named }), 'public.example')
  })
}

t.test('9: HEAD keeps the connection to the backend', async (t) => {
  const ports = new Set<number | undefined>()
  const backend = await startBackend(t, (request, response) => {
    ports.add(request.socket.remotePort)
    response.setHeader('content-length', 5)
    response.end('hello')
  })
  const { port } = await startHarness(t, backend.url)
  for (const method of ['HEAD', 'HEAD', 'GET', 'HEAD', 'GET']) {
    const answer = await rawExchange(t, port, [`${method} / HTTP/1.1`, 'Host: a'])
    t.match(answer, /content-length: 5/)
    t.equal(answer.endsWith('\r\n\r\n'), method === 'HEAD')
  }
  t.equal(ports.size, 1)
})
