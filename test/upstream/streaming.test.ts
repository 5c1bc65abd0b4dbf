import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import t from 'tap'
import { startBackend, startTcpBackend, until } from '../helpers/backends.js'
import { rawClient, rawExchange } from '../helpers/raw-client.js'
import { FORWARDERS, startHarness } from './harness.js'

const MEBIBYTE = Buffer.alloc(1024 * 1024, 'x')
/** Client, gateway and backend share this process; a body that somebody kept whole would show in its memory. */
const UPLOAD_MIB = 400

function pause (ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

for (const forwarder of FORWARDERS) {
  t.test(`${forwarder}: a backend that does not read stops the client, and nothing piles up`, async (t) => {
    let upload: IncomingMessage | undefined
    const backend = await startBackend(t, (request) => { upload = request.pause() })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    const request = httpRequest({ port, host: '127.0.0.1', method: 'POST' })
    request.on('error', () => {})
    let accepted = 0
    let refused = false
    for (let i = 0; i < 250 && !refused; i++) {
      request.write(MEBIBYTE, () => { accepted++ })
      refused = !await until(() => accepted === i + 1, 400)
    }
    t.ok(refused, 'a write is held back')
    t.ok(accepted < 40, `after ${accepted} MiB of 250, what sockets hold`)
    const written = accepted + 1
    let received = 0
    upload?.on('data', (chunk: Buffer) => { received += chunk.length }).resume()
    t.ok(await until(() => received === written * MEBIBYTE.length, 20_000), 'and flows on when the backend reads')
    request.destroy()
  })

  t.test(`${forwarder}: 400 MB pass in bounded memory`, async (t) => {
    let received = 0
    const backend = await startBackend(t, (request, response) => {
      request.on('data', (chunk: Buffer) => { received += chunk.length }).on('end', () => response.end('done'))
    })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers: { 'content-length': UPLOAD_MIB * MEBIBYTE.length } })
    const before = process.memoryUsage().rss
    let peak = 0
    for (let i = 0; i < UPLOAD_MIB; i++) {
      if (!request.write(MEBIBYTE)) await once(request, 'drain')
      peak = Math.max(peak, process.memoryUsage().rss - before)
    }
    request.end()
    const [answer] = await once(request, 'response') as [IncomingMessage]
    t.equal(answer.statusCode, 200)
    t.equal(received, UPLOAD_MIB * MEBIBYTE.length)
    t.ok(peak < UPLOAD_MIB / 2 * MEBIBYTE.length, `client, gateway and backend together took ${Math.round(peak / MEBIBYTE.length)} MiB`)
    answer.resume()
  })

  t.test(`${forwarder}: a client that does not read stops the backend`, async (t) => {
    let written = 0
    let stalled = false
    const pour = async (response: ServerResponse): Promise<void> => {
      while (!stalled && written < 250) {
        written++
        if (response.write(MEBIBYTE)) continue
        stalled = await Promise.race([once(response, 'drain').then(() => false), pause(400).then(() => true)])
      }
    }
    const backend = await startBackend(t, (_, response) => { pour(response).catch(t.error) })
    const { port } = await startHarness(t, backend.url, { rules: { forwarder } })
    const client = await rawClient(t, port)
    client.socket.pause()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    t.ok(await until(() => stalled, 5_000))
    t.ok(written < 40, `after ${written} MiB of 250`)
    const length = (): number => client.text().length
    client.socket.resume()
    t.ok(await until(() => length() > written * MEBIBYTE.length, 5_000), 'and flows on when it reads')
  })

  t.test(`${forwarder}: the client's leaving cancels the backend at once, at any moment`, async (t) => {
    let open = 0
    const backend = await startBackend(t, (request, response) => {
      open++
      response.on('close', () => { open-- })
      if (request.url === '/stream') response.write('first')
      request.resume()
    })
    const { port, seen } = await startHarness(t, backend.url, { rules: { forwarder } })
    const leave = async (moment: string, head: string, sees?: string): Promise<void> => {
      const client = await rawClient(t, port, head)
      t.ok(await until(() => open === 1), `${moment}: under way`)
      if (sees !== undefined) await client.sees(sees)
      client.socket.destroy()
      t.ok(await until(() => open === 0), `${moment}: cancelled`)
      t.ok(await until(() => seen.at(-1)?.ends.join() === 'aborted'), `${moment}: told`)
    }
    await leave('before the head', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await leave('in mid upload', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(100_000)}`)
    await leave('in mid chunk', `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\n${'x'.repeat(100)}`)
    await leave('in mid stream', 'GET /stream HTTP/1.1\r\nHost: a\r\n\r\n', 'first')
    const small = await rawClient(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    await pause(50)
    small.socket.destroy()
    t.ok(await until(() => seen.length === 5 && seen[4]?.ends.join() === 'aborted'), 'in a small body')
    t.ok(await until(() => open === 0), 'and the backend is free')
  })

  t.test(`${forwarder}: an answer that is cut short is cut short for the client too`, async (t) => {
    const backend = await startTcpBackend(t, (socket) => {
      socket.once('data', (head: Buffer) => {
        const sized = head.includes('/sized')
        socket.write(`HTTP/1.1 200 OK\r\n${sized ? 'content-length: 50' : 'transfer-encoding: chunked'}\r\n\r\n${sized ? 'part' : '4\r\npart\r\n'}`)
        setTimeout(() => { socket.destroy() }, 50)
      })
    })
    const { port, seen, faults } = await startHarness(t, backend.url, { rules: { forwarder } })
    for (const path of ['/sized', '/chunked']) {
      const text = await rawExchange(t, port, [`GET ${path} HTTP/1.1`, 'Host: a'])
      t.match(text, 'part', path)
      t.notMatch(text, /\r\n0\r\n/, 'no last chunk that would make it whole')
    }
    t.same(seen.map(({ ends }) => ends), [['failed'], ['failed']])
    t.same(faults, [], 'a fault is not told over an answer that has begun')
  })
}

t.test('response trailers and their announcement are passed on', async (t) => {
  const backend = await startTcpBackend(t, (socket) => {
    socket.on('data', (head: Buffer) => {
      socket.write('HTTP/1.1 200 OK\r\nTrailer: X-Sum, X-Request-Id\r\nTransfer-Encoding: chunked\r\n\r\n')
      if (head.toString().startsWith('HEAD')) return
      socket.write('4\r\nbody\r\n0\r\nX-Sum: one\r\nx-sum: two\r\nX-Request-Id: forged\r\nSet-Cookie: late=1\r\n\r\n')
    })
  })
  const { port } = await startHarness(t, backend.url, { own: [['X-Request-Id', 'ours']] })
  const text = await rawExchange(t, port, ['GET / HTTP/1.1', 'Host: a', 'TE: trailers'])
  t.match(text, 'Trailer: X-Sum')
  t.ok(text.endsWith('0\r\nX-Sum: one\r\nx-sum: two\r\n\r\n'), 'but not those that come too late or are ours')
  t.notMatch(await rawExchange(t, port, ['HEAD / HTTP/1.1', 'Host: a']), 'Trailer', 'nothing is announced where none can come')
  t.match(await rawExchange(t, port, ['GET / HTTP/1.0', 'Host: a']), /^HTTP\/1\.1 200 OK\r\n(?!.*Trailer).*\r\n\r\nbody$/s)
})

t.test('interim answers are passed on, and never to HTTP/1.0', async (t) => {
  const backend = await startBackend(t, (_, response) => {
    response.writeProcessing()
    response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style', 'x-hint': '1' })
    setTimeout(() => { response.end('done') }, 20)
  })
  const { port } = await startHarness(t, backend.url)
  const text = await rawExchange(t, port, ['GET / HTTP/1.1', 'Host: a'])
  t.match(text, /^HTTP\/1\.1 102 Processing\r\n\r\nHTTP\/1\.1 103 Early Hints\r\nLink: <\/style\.css>; rel=preload; as=style\r\nx-hint: 1\r\n\r\nHTTP\/1\.1 200 OK\r\n/i)
  t.match(await rawExchange(t, port, ['GET / HTTP/1.0', 'Host: a']), /^HTTP\/1\.1 200 OK/)
})

t.test('our headers replace the backend\'s of the same name', async (t) => {
  const backend = await startBackend(t, (_, response) => {
    response.writeHead(200, ['x-request-id', 'theirs', 'X-REQUEST-ID', 'theirs too', 'RateLimit', 'theirs', 'X-Other', '1']).end()
  })
  for (const forwarder of FORWARDERS) {
    const { port } = await startHarness(t, backend.url, { rules: { forwarder }, own: [['X-Request-Id', 'ours'], ['RateLimit', 'r=1']] })
    const text = await rawExchange(t, port, ['GET / HTTP/1.1', 'Host: a'])
    t.notMatch(text, 'theirs', forwarder)
    t.equal(text.match(/^x-request-id: ours\r$/gim)?.length, 1)
    t.equal(text.match(/^ratelimit: r=1\r$/gim)?.length, 1)
    t.match(text, /x-other: 1/i)
  }
})

t.test('a client that leaves behind a pipelined request frees both', async (t) => {
  let open = 0
  const backend = await startBackend(t, (_, response) => {
    open++
    response.on('close', () => { open-- })
  })
  const { port, seen } = await startHarness(t, backend.url)
  const client = await rawClient(t, port, 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  t.ok(await until(() => open === 2))
  client.socket.destroy()
  t.ok(await until(() => open === 0))
  t.same(seen.map(({ ends }) => ends), [['aborted'], ['aborted']])
})
