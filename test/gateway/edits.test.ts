import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import { buffer, text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import type { Exchange } from '../../src/exchange.js'
import { editBody, editMessage } from '../../src/gateway/edit-body.js'
import type { BodyChange } from '../../src/rewriting/contract.js'
import { startBackend, until } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'
import { rawClient } from '../helpers/raw-client.js'
import { exchangeOf } from '../limits/exchanges.js'
import { watchLoop } from '../upstream/watch-loop.js'

const FORWARDERS = ['dispatch', 'http-proxy'] as const
const JSON_TYPE = { 'content-type': 'application/json' }
/** As odd as one can write it. */
const ODD = '\n{ "messages" : [ {"role":"user","content":"h\\u0065llo \\ud83d €", "n": 1.0e+2 } ] ,"big":12345678901234567890}\r\n '
const CAP = ',"max_tokens":77'
const EDITED = ODD.replace('890}', `890${CAP}}`)

/** Without a server. */
const SMALL = '{ "text" : "one", "é": 1.0 }'
const SMALL_EDITED = '{ "text" : "other", "é": 1.0 }'
const CHANGE: BodyChange = { edits: [{ pointer: ['text'], value: 'other' }], headers: [] }

/** The cap on the answer is what is written into a body. */
const policyOf = (forwarder: string, mode = 'enforce') => `
version: 1
preset: generic
mode: ${mode}
upstream: { forwarder: ${forwarder} }
limits: { maxInspectedBody: 4MiB }
limiters:
  budget: { unit: tokens, key: global, max: 1000000000, window: 1h, reserve: { maxTokens: 77 } }
tokens: { default: { write: /max_tokens } }
routes:
  - match: POST /chat
    prompt: { conversation: { list: /messages, role: /role, user: [user], text: [/content] } }
    limit: [budget]
  - { match: POST /free }
`

type Row = [name: string, body: Buffer, headers: OutgoingHttpHeaders, arrives: string, type?: string]

interface Got { readonly body: Buffer, readonly headers: IncomingHttpHeaders, readonly port: number | undefined }

async function setUp (t: Test, { forwarder = 'dispatch', mode = 'enforce' } = {}) {
  const got: Got[] = []
  const backend = await startBackend(t, (request, response) => {
    buffer(request).then((body) => {
      got.push({ body, headers: request.headers, port: request.socket.remotePort })
      response.end('{}')
    }).catch(() => {})
  })
  const product = await startProduct(t, { upstream: backend.url, policy: policyOf(forwarder, mode) })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => { agent.destroy() })
  const send = async (body: string | Buffer, headers: OutgoingHttpHeaders = JSON_TYPE, path = '/chat') => {
    const request = httpRequest(product.url + path, { method: 'POST', headers, agent })
    const answered = once(request, 'response')
    if (headers.expect === undefined) request.end(body)
    else request.on('continue', () => { request.end(body) }).flushHeaders()
    const [response] = await answered
    return { status: response.statusCode as number, text: await text(response), isReused: request.reusedSocket }
  }
  return { product, got, send }
}

for (const forwarder of FORWARDERS) {
  t.test(`${forwarder}: an edited body arrives plain, of the right length, and all else as it was`, async (t) => {
    const { got, send } = await setUp(t, { forwarder })
    const codings: readonly [string, (body: string) => Buffer][] = [
      ['gzip', gzipSync], ['br', brotliCompressSync], ['deflate', deflateSync], ['zstd', zstdCompressSync],
      ['gzip, br', (body) => brotliCompressSync(gzipSync(body))], ['identity', (body) => Buffer.from(body)],
    ]
    const rows: readonly Row[] = [
      ['plain', Buffer.from(ODD), {}, EDITED],
      ['chunked', Buffer.from(ODD), { 'transfer-encoding': 'chunked' }, EDITED],
      ['expected', Buffer.from(ODD), { expect: '100-continue', 'content-length': Buffer.byteLength(ODD) }, EDITED],
      ['with a byte order mark', Buffer.from(`\ufeff${ODD}`), {}, `\ufeff${EDITED}`],
      ['UTF-8 by name', Buffer.from(ODD), { 'content-type': 'application/json; Charset="UTF-8"' }, EDITED, 'application/json; Charset="UTF-8"'],
      ['UTF-16', Buffer.from(`\ufeff${ODD}`, 'utf16le'), { 'content-type': 'application/json; charset=utf-16' }, EDITED, 'application/json; charset=utf-8'],
      ['UTF-16BE', Buffer.from(ODD, 'utf16le').swap16(), { 'content-type': 'application/json;charset="utf-16be"; v=1' }, EDITED, 'application/json; charset=utf-8; v=1'],
      ['Latin-1', Buffer.from('{"a":"\xe9"}', 'latin1'), { 'content-type': 'application/json; charset=iso-8859-1' }, `{"a":"é"${CAP}}`, 'application/json; charset=utf-8'],
      ['no type', Buffer.from(ODD), { 'content-type': 'text/plain' }, EDITED, 'text/plain'],
      ...codings.map(([coding, encode]): Row => [coding, encode(ODD), { 'content-encoding': coding }, EDITED]),
      ['empty map', Buffer.from('{ }'), {}, `{${CAP.slice(1)} }`],
    ]
    for (const [i, [name, body, headers, arrives, type = 'application/json']] of rows.entries()) {
      const { status, isReused } = await send(body, { ...JSON_TYPE, ...headers })
      t.equal(status, 200, name)
      t.equal(isReused, i > 0, 'on the same connection')
      const [one] = got.splice(0) as [Got]
      t.equal(one.body.toString(), arrives, name)
      t.match(one.headers, { 'content-length': String(Buffer.byteLength(arrives)), 'content-type': type })
      t.hasOwnProps(one.headers, ['content-length'])
      for (const gone of ['content-encoding', 'transfer-encoding', 'expect']) t.notOk(one.headers[gone], `${name}: ${gone}`)
    }
  })

  t.test(`${forwarder}: digests of the old bytes do not arrive, which is said; of other bodies they do`, async (t) => {
    const { product, got, send } = await setUp(t, { forwarder })
    const digests = { 'content-md5': 'x', digest: 'sha-256=x', 'content-digest': 'sha-256=:eA==:', 'repr-digest': 'sha-256=:eA==:', 'Want-Digest': 'sha-256' }
    await send(ODD, { ...JSON_TYPE, ...digests })
    t.match(got[0]?.headers, { 'want-digest': 'sha-256' })
    for (const name of ['content-md5', 'digest', 'content-digest', 'repr-digest']) t.notOk(got[0]?.headers[name], name)
    const told = product.log.lines.filter(({ digests }) => digests !== undefined)
    t.match(told, [{ level: 'warn', digests: ['content-md5', 'digest', 'content-digest', 'repr-digest'] }])
    const whole = '{"messages":[],"max_tokens":5}'
    const coded = { ...JSON_TYPE, ...digests, 'content-encoding': 'gzip' }
    await send(gzipSync(whole), coded)
    t.same(got[1]?.body, gzipSync(whole), 'what nobody wants changed is forwarded byte for byte')
    t.match(got[1]?.headers, { digest: 'sha-256=x', 'content-encoding': 'gzip', 'repr-digest': /eA/ })
    await send('{}', { ...JSON_TYPE, ...digests }, '/free')
    t.match(got[2], { body: Buffer.from('{}'), headers: { digest: 'sha-256=x' } })
    t.equal(product.log.lines.filter(({ digests }) => digests !== undefined).length, 1)
  })
}

t.test('observe mode changes no body, and what is no JSON passes as it is', async (t) => {
  const { got, send } = await setUp(t, { mode: 'observe' })
  await send(gzipSync(ODD), { ...JSON_TYPE, 'content-encoding': 'gzip' })
  t.same(got[0]?.body, gzipSync(ODD))
  const form = 'messages[0][content]=hello'
  const enforcing = await setUp(t)
  await enforcing.send(form, { 'content-type': 'application/x-www-form-urlencoded' })
  t.equal(enforcing.got[0]?.body.toString(), form)
})

t.test('large bodies are edited in turns with others, and in any number', async (t) => {
  const { got, send, product } = await setUp(t)
  const long = JSON.stringify({ messages: Array.from({ length: 30 }, (_, i) => ({ role: 'user', content: `${i} "quoted" é ${'word '.repeat(20_000)}` })) })
  t.ok(long.length > 3_000_000)
  t.equal((await send(long)).status, 200, 'once, for the compiler')
  got.length = 0
  const stalls = watchLoop()
  const all = await Promise.all(Array.from({ length: 4 }, async () => {
    const answer = await fetch(`${product.url}/chat`, { method: 'POST', headers: JSON_TYPE, body: long })
    return answer.status
  }))
  const [worst = 0] = stalls()
  t.same(all, [200, 200, 200, 200])
  t.ok(worst < 120, `${worst} ms at once`)
  for (const { body } of got) t.ok(body.equals(Buffer.from(long.replace(/\}$/, `${CAP}}`))))
})

t.test('a client that leaves while its body is edited is forgotten, and the next on the connection is itself', async (t) => {
  const { got, product } = await setUp(t)
  const port = Number(new URL(product.url).port)
  const long = JSON.stringify({ messages: [{ role: 'user', content: 'x'.repeat(2_000_000) }] })
  const head = (length: number) => `POST /chat HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`
  const leaving = await rawClient(t, port, head(long.length) + long)
  leaving.socket.destroy()
  const client = await rawClient(t, port, `${head(2)}{}${head(13)}{"second": 1}`)
  t.ok(await until(() => client.text().split('200 OK').length === 3, 2_000))
  t.same(got.map(({ body }) => body.toString()).filter((body) => body.length < 100), [`{${CAP.slice(1)}}`, `{"second": 1${CAP}}`])
})

t.test('a message is edited in whichever encoding it came, and goes on in UTF-8', async (t) => {
  const edited = async (data: Buffer, binary: boolean) => {
    const judged = await editMessage(exchangeWith(), { data, binary })
    return judged?.replace.toString()
  }
  t.equal(await edited(Buffer.from(SMALL), false), SMALL_EDITED)
  t.equal(await edited(Buffer.from(SMALL), true), SMALL_EDITED)
  t.equal(await edited(Buffer.from(`\ufeff${SMALL}`), true), `\ufeff${SMALL_EDITED}`)
  t.equal(await edited(Buffer.from(SMALL, 'utf16le'), true), SMALL_EDITED)
  t.equal(await edited(Buffer.from(SMALL, 'utf16le').swap16(), true), SMALL_EDITED)
  const long = SMALL.replace('1.0', JSON.stringify('x'.repeat(200_000)))
  t.equal(await edited(Buffer.from(long), false), long.replace('one', 'other'))
  const message = { data: Buffer.from(SMALL), binary: false }
  t.equal(editMessage(exchangeWith({ change: undefined }), message), undefined)
  t.equal(editMessage(exchangeWith({ json: undefined }), message), undefined, 'what is no JSON goes on as it came')
})

t.test('a body that cannot be edited faithfully is refused', async (t) => {
  const fault = async (body: Buffer, headers: Exchange['headers']) => editBody(exchangeWith({ body, headers }))
  const json = { 'content-type': 'application/json' }
  t.equal(await fault(Buffer.from(SMALL, 'latin1'), json), 'INVALID_JSON')
  t.equal(await fault(Buffer.from(SMALL), { ...json, 'content-encoding': 'gzip' }), 'MALFORMED_REQUEST')
  t.equal(await fault(Buffer.from(SMALL), { ...json, 'content-encoding': 'snappy' }), 'UNSUPPORTED_ENCODING')
  t.equal(await fault(Buffer.from(SMALL), { 'content-type': 'application/json; charset=koi8-r' }), 'UNSUPPORTED_ENCODING')
  t.equal(await fault(Buffer.from(SMALL), { 'content-type': 'application/json, text/plain' }), 'MALFORMED_REQUEST')
})

function exchangeWith (more: Partial<Exchange> = {}): Exchange {
  return { ...exchangeOf(), json: JSON.parse(SMALL) as unknown, change: CHANGE, ...more }
}
