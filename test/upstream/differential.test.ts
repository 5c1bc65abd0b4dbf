import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { startBackend } from '../helpers/backends.js'
import { rawExchange } from '../helpers/raw-client.js'
import { FORWARDERS, startHarness, type HarnessOptions } from './harness.js'

/** What stands in every head and differs with the hop, not with the answer. */
const HOP_FIELDS = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding'])

interface Answer { status: string, fields: [string, string][], body: string, trailers: string }
interface Arrived {
  method: string | undefined
  url: string | undefined
  body: string
  length: string | undefined
  type: string | undefined
  odd: string[]
}

/** Takes an HTTP/1.1 message apart without any library, so that nothing is smoothed over. */
function parse (text: string): Answer {
  const end = text.indexOf('\r\n\r\n')
  const [status = '', ...lines] = text.slice(0, end).split('\r\n')
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const rest = text.slice(end + 4)
  const kept = fields.filter(([name]) => !HOP_FIELDS.has(name.toLowerCase()))
  const chunked = fields.some(([name, value]) => name.toLowerCase() === 'transfer-encoding' && value === 'chunked')
  return { status, fields: kept, ...(chunked ? dechunk(rest) : { body: rest, trailers: '' }) }
}

function dechunk (text: string): { body: string, trailers: string } {
  let body = ''
  let at = 0
  for (;;) {
    const line = text.indexOf('\r\n', at)
    if (line < 0) return { body, trailers: 'no last chunk' }
    const size = Number.parseInt(text.slice(at, line), 16)
    if (size === 0) return { body, trailers: text.slice(line + 2) }
    body += text.slice(line + 2, line + 2 + size)
    at = line + 2 + size + 2
  }
}

const zipped = gzipSync('compressed '.repeat(100))

const answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
  '/echo': (request, response) => { request.pipe(response) },
  '/json': (_, response) => { response.writeHead(200, ['Content-Type', 'application/json', 'Content-Length', '2']).end('{}') },
  '/cookies': (_, response) => {
    response.writeHead(200, ['Set-Cookie', 'a=1', 'X-Odd-CASE', 'Value', 'set-cookie', 'b=2; Path=/', 'X-Twice', '1', 'x-twice', '2']).end('ok')
  },
  '/reason': (_, response) => { response.writeHead(299, 'Odd But True').end('x') },
  '/redirect': (_, response) => { response.writeHead(302, { location: '/next/place?x=1' }).end() },
  '/no-content': (_, response) => { response.writeHead(204, { 'x-a': 'b' }).end() },
  '/not-modified': (_, response) => { response.writeHead(304, { etag: '"1"' }).end() },
  '/gzip': (_, response) => { response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': zipped.length }).end(zipped) },
  '/range': (request, response) => {
    response.writeHead(206, { 'content-range': 'bytes 2-4/10', 'x-range': request.headers.range ?? '', 'content-length': 3 }).end('234')
  },
  '/chunks': (_, response) => { response.write('one '); setTimeout(() => { response.end('two') }, 30) },
  '/empty': (_, response) => { response.writeHead(200, { 'content-length': 0 }).end() },
  '/busy': (_, response) => { response.writeHead(503, { 'retry-after': '0' }).end('busy') },
  '/connection': (_, response) => {
    response.writeHead(200, ['Connection', 'close, X-Secret-Hop', 'X-Secret-Hop', '1', 'Keep-Alive', 'timeout=9', 'X-Kept', '1']).end('x')
  },
  '/latin': (_, response) => { response.writeHead(200, { 'x-name': 'M\xfcller' }).end(Buffer.from('x')) },
  '/latin-stream': (_, response) => {
    response.writeHead(200, { 'x-name': 'M\xfcller' }).write(Buffer.alloc(0))
    setTimeout(() => { response.end('x') }, 30)
  },
}

const long = 'x'.repeat(200_000)
const cases: { name: string, lines: string[], body?: string, exactHead?: boolean }[] = [
  ...['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PROPFIND', 'REPORT', 'MKCOL', 'SEARCH'].map((method) => ({ name: method, lines: [`${method} /json HTTP/1.1`] })),
  { name: 'several Set-Cookie, odd case, duplicates', lines: ['GET /cookies HTTP/1.1'] },
  { name: 'a reason phrase of its own', lines: ['GET /reason HTTP/1.1'] },
  { name: 'a redirect stays as it is', lines: ['GET /redirect HTTP/1.1'] },
  { name: '204', lines: ['GET /no-content HTTP/1.1'] },
  { name: '304', lines: ['GET /not-modified HTTP/1.1', 'If-None-Match: "1"'] },
  { name: 'gzip untouched', lines: ['GET /gzip HTTP/1.1', 'Accept-Encoding: gzip'] },
  { name: 'HEAD of a compressed body', lines: ['HEAD /gzip HTTP/1.1'] },
  { name: 'a range', lines: ['GET /range HTTP/1.1', 'Range: bytes=2-4'] },
  { name: 'chunks', lines: ['GET /chunks HTTP/1.1'] },
  { name: 'an empty answer', lines: ['GET /empty HTTP/1.1'] },
  { name: '503 is not asked again', lines: ['GET /busy HTTP/1.1'] },
  { name: 'hop-by-hop fields end here', lines: ['GET /connection HTTP/1.1'] },
  { name: 'Latin-1 in a field', lines: ['GET /latin HTTP/1.1'] },
  { name: 'Latin-1 in a head that is sent alone', lines: ['GET /latin-stream HTTP/1.1'] },
  { name: 'bad escapes in path and query', lines: ['GET /json?a=%zz&b=%E0%A4%A&c=a+b&&=& HTTP/1.1'] },
  { name: 'the client\'s own spelling of the path', lines: ['GET //json/../JSON/%7e/./%2f;a=b?x HTTP/1.1'] },
  { name: 'POST with a length', lines: ['POST /echo HTTP/1.1', 'Content-Type: application/json', 'Content-Length: 13'], body: '{"text":"hi"}' },
  { name: 'POST of length 0', lines: ['POST /echo HTTP/1.1', 'Content-Length: 0'] },
  { name: 'POST chunked', lines: ['POST /echo HTTP/1.1', 'Transfer-Encoding: chunked'], body: '5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n' },
  { name: 'POST chunked and empty', lines: ['POST /echo HTTP/1.1', 'Transfer-Encoding: chunked'], body: '0\r\n\r\n' },
  { name: 'POST of a long body', lines: ['POST /echo HTTP/1.1', 'Content-Length: 200000'], body: long },
  { name: 'PUT', lines: ['PUT /echo HTTP/1.1', 'Content-Length: 3'], body: 'put' },
  { name: 'PATCH', lines: ['PATCH /echo HTTP/1.1', 'Content-Length: 5'], body: 'patch' },
  { name: 'GET with a body', lines: ['GET /echo HTTP/1.1', 'Content-Length: 5'], body: 'hello' },
  { name: 'GET with a chunked body', lines: ['GET /echo HTTP/1.1', 'Transfer-Encoding: chunked'], body: '5\r\nhello\r\n0\r\n\r\n' },
  { name: 'DELETE with a body', lines: ['DELETE /echo HTTP/1.1', 'Content-Type: text/plain', 'Content-Length: 5'], body: 'hello' },
  { name: 'binary bodies', lines: ['POST /echo HTTP/1.1', 'Content-Type: application/octet-stream', 'Content-Length: 4'], body: '\x00\xff\r\n' },
  { name: 'odd fields of the client', lines: ['GET /json HTTP/1.1', 'X-Odd: 1', 'x-ODD: 2', 'X-Empty:'] },
]

t.test('the same requests give the same answers directly and through both forwarders', async (t) => {
  const arrived: Arrived[] = []
  const backend = await startBackend(t, (request, response) => {
    const parts: Buffer[] = []
    const [path = ''] = (request.url ?? '').split('?')
    request.on('data', (chunk: Buffer) => { parts.push(chunk) })
    request.on('end', () => {
      const { 'content-length': length, 'content-type': type } = request.headers
      const odd = request.rawHeaders.filter((_, i, all) => all[i & ~1]?.toLowerCase().startsWith('x-o') || all[i & ~1] === 'X-Empty')
      arrived.push({ method: request.method, url: request.url, body: Buffer.concat(parts).toString('latin1'), length, type, odd })
    })
    const answer = answers[path] ?? answers['/json']
    answer?.(request, response)
  })
  const own: HarnessOptions['own'] = []
  const ways: [string, number][] = [['direct', backend.port]]
  for (const forwarder of FORWARDERS) {
    ways.push([forwarder, (await startHarness(t, backend.url, { rules: { forwarder }, own })).port])
    ways.push([`${forwarder}, body read before`, (await startHarness(t, backend.url, { rules: { forwarder }, own, inspect: true })).port])
  }
  for (const one of cases) {
    await t.test(one.name, async (t) => {
      const results = new Map<string, { answer: Answer, arrived: Arrived[] }>()
      for (const [way, port] of ways) {
        arrived.length = 0
        const [line = '', ...fields] = one.lines
        const text = await rawExchange(t, port, [line, 'Host: chat.example', ...fields], one.body)
        results.set(way, { answer: parse(text), arrived: [...arrived] })
      }
      const direct = results.get('direct')
      for (const [way, result] of results) compare(t, way, result, direct)
    })
  }
})

function compare (t: Test, way: string, result: Result, direct: Result | undefined): void {
  if (direct === undefined || result === direct) return
  const ours = way.startsWith('dispatch')
  const status = ({ answer }: Result): string => ours ? answer.status : answer.status.slice(0, 12)
  t.equal(status(result), status(direct), `${way}: status`)
  t.equal(result.answer.body, direct.answer.body, `${way}: body`)
  t.equal(result.answer.trailers, direct.answer.trailers, `${way}: end`)
  if (ours) t.same(result.answer.fields, withoutHop(direct.answer.fields), `${way}: head as it is`)
  else t.same(lower(result.answer.fields), lower(withoutHop(direct.answer.fields)), `${way}: head`)
  const [seen] = result.arrived
  const [expected] = direct.arrived
  t.equal(result.arrived.length, 1, `${way}: asked once`)
  t.same({ ...seen, length: undefined }, { ...expected, length: undefined }, `${way}: what the backend got`)
  if (expected?.length !== undefined && expected.length !== '0') t.equal(seen?.length, expected.length, `${way}: length`)
}

interface Result { answer: Answer, arrived: Arrived[] }

function withoutHop (fields: [string, string][]): [string, string][] {
  return fields.filter(([name]) => name !== 'X-Secret-Hop')
}

function lower (fields: [string, string][]): string[] {
  return fields.map(([name, value]) => `${name.toLowerCase()}: ${value}`).sort()
}
