import type { Socket } from 'node:net'
import t from 'tap'
import type { AnswerObserver } from '../../src/exchange.js'
import { createForwarder } from '../../src/upstream/upstream.js'
import { freePort, startBackend, startTcpBackend, until } from '../helpers/backends.js'
import { rawClient, rawExchange } from '../helpers/raw-client.js'
import { FORWARDERS, startHarness, upstreamRules } from './harness.js'

const GET = ['GET / HTTP/1.1', 'Host: a']

for (const forwarder of FORWARDERS) {
  t.test(`${forwarder}: a backend that gives no answer is told once, by its kind`, async (t) => {
    const fault = async (url: string, rules: object = {}): Promise<string | undefined> => {
      const { port, faults, seen } = await startHarness(t, url, { rules: { forwarder, ...rules } })
      const text = await rawExchange(t, port, GET)
      t.match(text, /^HTTP\/1\.1 50[24] /)
      t.same(seen[0]?.ends, ['failed'])
      t.equal(faults.length, 1)
      return faults[0]
    }
    const speaking = async (words: string, then?: (socket: Socket) => void): Promise<string> => {
      const backend = await startTcpBackend(t, (socket) => {
        socket.once('data', () => { socket.write(words); then?.(socket) })
      })
      return backend.url
    }
    t.equal(await fault(`http://127.0.0.1:${await freePort()}`), 'UPSTREAM_UNREACHABLE', 'refused')
    t.equal(await fault('http://no-such-host.invalid'), 'UPSTREAM_UNREACHABLE', 'no such name')
    t.equal(await fault('unix:/nowhere/at/all.sock'), 'UPSTREAM_UNREACHABLE', 'no such socket')
    t.equal(await fault((await speaking('', () => {})).replace('http:', 'https:'), { connectTimeoutMs: 200 }), 'UPSTREAM_UNREACHABLE', 'TLS that never comes')
    t.equal(await fault(await speaking('', (socket) => { socket.end() })), 'UPSTREAM_BROKEN', 'closed')
    t.equal(await fault(await speaking('', (socket) => { socket.resetAndDestroy() })), 'UPSTREAM_BROKEN', 'reset')
    t.equal(await fault(await speaking('SSH-2.0-OpenSSH\r\n')), 'UPSTREAM_BROKEN', 'garbage')
    t.equal(await fault(await speaking('HTTP/1.1 200 OK\r\nx-half: ', (socket) => { socket.end() })), 'UPSTREAM_BROKEN', 'half a head')
    t.equal(await fault(await speaking('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n')), 'UPSTREAM_BROKEN', 'two lengths')
    t.equal(await fault(await speaking(`HTTP/1.1 200 OK\r\nx-much: ${'y'.repeat(200_000)}\r\n\r\n`)), 'UPSTREAM_BROKEN', 'a giant head')
    t.equal(await fault(await speaking('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')), 'UPSTREAM_BROKEN', 'an upgrade that nobody asked for')
    t.equal(await fault(await speaking(''), { responseTimeoutMs: 200 }), 'UPSTREAM_TIMEOUT')
  })

  t.test(`${forwarder}: an upload to a dead backend is answered and does not block its connection`, async (t) => {
    const { port } = await startHarness(t, `http://127.0.0.1:${await freePort()}`, { rules: { forwarder } })
    const client = await rawClient(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n')
    t.ok(await client.sees('UPSTREAM_UNREACHABLE'))
    client.socket.write(Buffer.alloc(2_000_000))
    client.socket.write('GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    t.equal((await client.closed()).match(/HTTP\/1\.1 502 /g)?.length, 2)
  })

  t.test(`${forwarder}: works over a unix socket`, async (t) => {
    const backend = await startBackend(t, (request, response) => {
      response.end(`${request.method} ${request.url} ${request.headers.host}`)
    }, { unix: true })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder, host: 'upstream' } })
    t.match(await rawExchange(t, port, ['PUT /a?b HTTP/1.1', 'Host: a', 'Content-Length: 1'], 'x'), 'PUT /a?b localhost')
  })

  t.test(`${forwarder}: a path in the upstream URL stands before every target`, async (t) => {
    const backend = await startBackend(t, (request, response) => { response.end(`<${request.url}>`) })
    const { port } = await startHarness(t, `${backend.url}/base/`, { rules: { forwarder } })
    t.match(await rawExchange(t, port, ['GET /a/../b?c HTTP/1.1', 'Host: a']), '</base/a/../b?c>')
  })

  t.test(`${forwarder}: observers see head and bytes, and one that throws harms nobody`, async (t) => {
    const backend = await startBackend(t, (_, response) => { response.writeHead(201, { 'x-a': 'b' }).end('hello') })
    const rogue: AnswerObserver = {
      onHead () { throw new Error('head') },
      onEnd () { throw new Error('end') },
    }
    const options = { rules: { forwarder }, body: true, observers: [rogue] }
    const { port, seen, reports } = await startHarness(t, backend.url, options)
    t.match(await rawExchange(t, port, GET), 'hello')
    t.equal(seen[0]?.head.length, 1)
    t.match(seen[0]?.head[0], [201, { 'x-a': 'b' }])
    t.equal(Buffer.concat(seen[0]?.data ?? []).toString(), 'hello')
    t.same(seen[0]?.ends, ['complete'])
    t.equal(reports.length, 2, 'and is reported')
  })
}

t.test('a safe request that meets a closing connection is sent once more, others are not', async (t) => {
  const requests: string[] = []
  // Answers the first request of each connection and resets the connection under the second.
  const backend = await startTcpBackend(t, (socket) => {
    let served = 0
    socket.on('data', (head: Buffer) => {
      requests.push(head.toString().slice(0, head.indexOf(' ')))
      if (served++ > 0) socket.resetAndDestroy()
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok')
    })
  })
  const secondOf = async (lines: string[], body = ''): Promise<string> => {
    const { port } = await startHarness(t, backend.url)
    t.match(await rawExchange(t, port, GET), /^HTTP\/1\.1 200/)
    requests.length = 0
    const answer = await rawExchange(t, port, [...lines, 'Host: a'], body)
    return `${answer.slice(9, 12)} ${requests.join()}`
  }
  t.equal(await secondOf(['GET / HTTP/1.1']), '200 GET,GET')
  t.match(await secondOf(['OPTIONS / HTTP/1.1']), '200 OPTIONS,OPTIONS')
  t.equal(await secondOf(['POST / HTTP/1.1', 'Content-Length: 1'], 'x'), '502 POST')
  t.equal(await secondOf(['DELETE / HTTP/1.1']), '502 DELETE')
  t.equal(await secondOf(['GET / HTTP/1.1', 'Content-Length: 1'], 'x'), '502 GET', 'nor one with a body')
})

t.test('a request that breaks a fresh connection is not sent again', async (t) => {
  let requests = 0
  const backend = await startTcpBackend(t, (socket) => { socket.on('data', () => { requests++; socket.resetAndDestroy() }) })
  const { port } = await startHarness(t, backend.url)
  t.match(await rawExchange(t, port, GET), /^HTTP\/1\.1 502/)
  t.equal(requests, 1)
})

t.test('a backend that closes idle connections costs no request', async (t) => {
  const backend = await startBackend(t, (_, response) => { response.end('ok') })
  backend.server.keepAliveTimeout = 20
  backend.server.keepAliveTimeoutBuffer = 0
  const { port } = await startHarness(t, backend.url)
  for (let i = 0; i < 30; i++) {
    t.match(await rawExchange(t, port, GET), /^HTTP\/1\.1 200/)
    await new Promise((resolve) => setTimeout(resolve, 12 + i))
  }
})

t.test('close lets what is under way end, and a straggler still finds the backend', async (t) => {
  let finish = (): void => {}
  const backend = await startBackend(t, (_, response) => {
    response.write('one')
    finish = () => { response.end('two') }
  })
  const forwarder = createForwarder(upstreamRules(backend.url), { log: { error () {} } })
  const front = await startBackend(t, (request, response) => {
    const headers = ['host', 'a']
    const outbound = { method: 'GET', target: '/', headers, body: undefined }
    const onFault = (fault: string): void => { response.end(fault) }
    forwarder.forward(request, response, { outbound, ownHeaders: [], observers: [], onFault })
  })
  const first = await rawClient(t, front.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await first.sees('one')
  let closed = false
  const closing = forwarder.close().then(() => { closed = true })
  const second = await rawClient(t, front.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const firstEnds = finish
  t.ok(await second.sees('one'))
  t.notOk(closed)
  firstEnds()
  t.match(await first.closed(), /one.*two/s)
  await closing
  finish()
  t.match(await second.closed(), /one.*two/s)
  t.ok(await until(() => closed))
})
