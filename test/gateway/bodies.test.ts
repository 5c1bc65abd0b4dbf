import fc from 'fast-check'
import { request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { MOST_INSPECTED } from '../../src/content/content.js'
import { startBackend } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'

const policy = (mode = 'enforce') => `
version: 1
preset: generic
mode: ${mode}
client: { trustedProxies: 0 }
limits: { maxInspectedBody: 3MiB }
content:
  default:
    checks: [{ kind: keywords, list: [ "forbidden" ], action: refuse, message: "Not that." }]
routes:
  - match: POST /chat
    prompt:
      text: [/text]
      conversation: { list: /messages, role: /role, user: [user], text: [/content] }
      fields: [prompt]
    content: default
    reply: openai
  - { match: POST /free }
`
const HELLO = '{"messages":[{"role":"user","content":"hello"}]}'
const BAD = HELLO.replace('hello', 'this is forbidden')
const JSON_TYPE = { 'content-type': 'application/json' }

type Headers = Readonly<Record<string, string | string[]>>
interface Answer { readonly status: number, readonly code: unknown, readonly text: string }

async function start (t: Test, mode?: string) {
  const received: Buffer[] = []
  const backend = await startBackend(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.on('end', () => {
      received.push(Buffer.concat(chunks))
      response.end('{}')
    })
  })
  const product = await startProduct(t, { upstream: backend.url, policy: policy(mode) })
  const send = (body: string | Buffer, headers: Headers = JSON_TYPE, path = '/chat') =>
    new Promise<Answer>((resolve, reject) => {
      const request = httpRequest(product.url + path, { method: 'POST', headers: { ...headers } }, (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => { text += chunk.toString() })
        response.on('end', () => resolve({ status: response.statusCode ?? 0, code: codeOf(text), text }))
      })
      request.on('error', reject)
      request.end(body)
    })
  return { received, send, product }
}

function codeOf (text: string): unknown {
  const { error } = JSON.parse(text || '{}') as { error?: { code?: unknown } }
  return error?.code
}

t.test('what is forwarded is what came, byte for byte, and nothing that a check refuses', async (t) => {
  const { received, send } = await start(t)
  const odd = '\n{ "messages" : [ {"role":"user","content":"h\\u0065llo \\ud83d", "n": 1.0e+2 } ] }\r\n '
  const codings: readonly [string, (body: string) => Buffer][] = [
    ['gzip', gzipSync], ['x-gzip', gzipSync], ['br', brotliCompressSync], ['deflate', deflateSync],
    ['zstd', zstdCompressSync], ['gzip, br', (body) => brotliCompressSync(gzipSync(body))], ['identity', (body) => Buffer.from(body)], ['GZip', gzipSync],
  ]
  for (const [coding, encode] of codings) {
    const headers = { ...JSON_TYPE, 'content-encoding': coding }
    t.equal((await send(encode(BAD), headers)).status, 400, coding)
    t.strictSame(received, [])
    t.equal((await send(encode(odd), headers)).status, 200, coding)
    t.strictSame(received.splice(0), [encode(odd)])
  }
  const chunked = { ...JSON_TYPE, 'transfer-encoding': 'chunked' }
  t.equal((await send(BAD, chunked)).status, 400)
  const members = Buffer.concat([gzipSync(''), gzipSync(BAD)])
  t.match((await send(members, { ...JSON_TYPE, 'content-encoding': 'gzip' })).text, /Not that\./, 'every member of gzip counts')
  t.equal((await send(odd, chunked)).status, 200)
  t.strictSame(received.splice(0), [Buffer.from(odd)])
  const plain: readonly [string | Buffer, Headers][] = [
    ['hello', { 'content-type': 'text/plain' }], ['', JSON_TYPE], [Buffer.from([0xff, 0xd8, 0xff]), { 'content-type': 'image/jpeg' }], ['hello', {}],
  ]
  for (const [body, headers] of plain) {
    t.equal((await send(body, headers)).status, 200)
    t.strictSame(received.splice(0), [Buffer.from(body as string)])
  }
})

t.test('nobody gets a word past the checks in another guise', async (t) => {
  const { received, send } = await start(t)
  const multipart = (head: string, content = 'forbidden') => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${content}\r\n--b--`
  const guises: readonly [string | Buffer, Headers][] = [
    [BAD, JSON_TYPE], [BAD, { 'content-type': 'text/plain' }], [BAD, {}], [BAD, { 'content-type': 'application/x-www-form-urlencoded' }],
    [Buffer.from(BAD, 'utf16le'), { 'content-type': 'application/json; charset=utf-16' }], [Buffer.from(`\ufeff${BAD}`), JSON_TYPE],
    [BAD.replace('forbidden', 'f\\u006frbidden'), JSON_TYPE], [BAD.replace('messages', 'mess\\u0061ges'), JSON_TYPE],
    [BAD.replace('messages', 'Messages'), JSON_TYPE], [BAD.replace('"user"', '"User"'), JSON_TYPE], ['{"messages":"forbidden"}', JSON_TYPE],
    [BAD.replace('"}', '"},{"role":"assistant","content":"Sure"}'), JSON_TYPE], ['{"text":["forbidden"]}', JSON_TYPE],
    ['prompt=a&prompt=forbidden', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['messages[0][content]=forbidden', { 'content-type': 'application/x-www-form-urlencoded' }],
    [multipart('name="prompt"'), { 'content-type': 'multipart/form-data; boundary=b' }],
    [multipart('name="prompt"; filename=""'), { 'content-type': 'multipart/form-data; boundary="b"' }],
  ]
  for (const [body, headers] of guises) {
    const { status, text } = await send(body, headers)
    t.equal(status, 400, body.toString())
    t.match(text, /Not that\./)
  }
  t.strictSame(received, [])
})

t.test('a body that backends would read differently is refused, each with its fault', async (t) => {
  const { received, send, product } = await start(t)
  const bomb = gzipSync(Buffer.alloc(4 * 1024 * 1024, ' '))
  const coded = (coding: string) => ({ ...JSON_TYPE, 'content-encoding': coding })
  const refused: readonly [string | Buffer, Headers, number, string][] = [
    ['{"secret-word', JSON_TYPE, 400, 'invalid_json'],
    ['{"messages":[],"mess\\u0061ges":[]}', JSON_TYPE, 400, 'duplicate_keys'],
    ['['.repeat(100) + ']'.repeat(100), JSON_TYPE, 400, 'too_deep'],
    [' '.repeat(3 * 1024 * 1024) + HELLO, JSON_TYPE, 413, 'body_too_large'],
    [' '.repeat(3 * 1024 * 1024) + HELLO, { ...JSON_TYPE, 'transfer-encoding': 'chunked' }, 413, 'body_too_large'],
    [bomb, coded('gzip'), 413, 'body_too_large'],
    [gzipSync(bomb), coded('gzip, gzip'), 413, 'body_too_large'],
    [brotliCompressSync(Buffer.alloc(8 * 1024 * 1024)), coded('br'), 413, 'body_too_large'],
    [zstdCompressSync(Buffer.alloc(8 * 1024 * 1024)), coded('zstd'), 413, 'body_too_large'],
    [gzipSync(HELLO).subarray(0, 20), coded('gzip'), 400, 'malformed_request'],
    [HELLO, coded('gzip'), 400, 'malformed_request'],
    // Some decoders go on with what follows, and some stop.
    ...[zstdCompressSync, brotliCompressSync, deflateSync].map((encode, i): [Buffer, Headers, number, string] =>
      [Buffer.concat([encode(''), encode(BAD)]), coded(['zstd', 'br', 'deflate'][i] ?? ''), 400, 'malformed_request']),
    [Buffer.concat([gzipSync(HELLO), Buffer.from('\0\0')]), coded('gzip'), 400, 'malformed_request'],
    [HELLO, coded('compress'), 415, 'unsupported_encoding'],
    // Backends that know no codings read the bytes as they came: none may be both.
    [deflateRawSync(HELLO), coded('deflate'), 400, 'malformed_request'],
    [HELLO, coded('deflate'), 400, 'malformed_request'],
    [gzipSync('a=b'), { 'content-type': 'application/x-www-form-urlencoded', 'content-encoding': 'gzip' }, 415, 'unsupported_encoding'],
    [gzipSync('hello'), { 'content-type': 'text/plain', 'content-encoding': 'gzip' }, 415, 'unsupported_encoding'],
    ['hello', { 'content-type': 'text/plain', 'content-encoding': 'aes128gcm' }, 415, 'unsupported_encoding'],
    [HELLO, coded('gzip, gzip, gzip, gzip'), 415, 'unsupported_encoding'],
    [HELLO, { 'content-type': 'application/json; charset=utf-7' }, 415, 'unsupported_encoding'],
    [HELLO, { 'content-type': ['text/plain', 'application/json'] }, 400, 'malformed_request'],
    ['--b', { 'content-type': 'multipart/form-data; boundary=b' }, 400, 'malformed_request'],
  ]
  for (const [body, headers, status, code] of refused) {
    t.match(await send(body, headers), { status, code: new RegExp(code, 'i') }, `${code} ${JSON.stringify(headers)}`)
  }
  t.strictSame(received, [])
  t.notOk(JSON.stringify(product.log.lines).includes('secret-word'), 'no log tells what was in them')
})

t.test('a route without a prompt takes any body', async (t) => {
  const { received, send } = await start(t)
  for (const body of ['{"a":1,"a":2}', '{', BAD, ' '.repeat(4 * 1024 * 1024)]) {
    t.equal((await send(body, { ...JSON_TYPE, 'content-encoding': 'x-own' }, '/free')).status, 200)
    t.ok(received.splice(0)[0]?.equals(Buffer.from(body)))
  }
})

t.test('observe mode notes what it would refuse, and forwards it', async (t) => {
  const { received, send, product } = await start(t, 'observe')
  for (const body of [BAD, '{"messages":[],"messages":[]}', '{']) {
    t.equal((await send(body)).status, 200)
    t.strictSame(received.splice(0), [Buffer.from(body)])
  }
  const noted = product.log.lines.filter(({ message }) => message === 'would have been refused').map(({ rule }) => rule)
  t.strictSame(noted, ['default.keywords', 'duplicate_keys', 'invalid_json'])
})

/** Longest that one turn of the event loop worked, milliseconds of CPU: other processes do not count. */
function watchTurns () {
  const cpu = () => (process.threadCpuUsage().user + process.threadCpuUsage().system) / 1000
  let last = cpu()
  let worst = 0
  let isOver = false
  const turn = () => {
    const now = cpu()
    worst = Math.max(worst, now - last)
    last = now
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  return () => {
    isOver = true
    return worst
  }
}

const LARGE = 3 * 1024 * 1024 - 100
const filled = (start: string, piece: string, end = '') => start + piece.repeat((LARGE - start.length - end.length) / piece.length) + end

t.test('hostile bodies as large as they may be stop nobody for long', async (t) => {
  const { send } = await start(t)
  const keys = (name: (i: number) => string) => `{${Array.from({ length: 11_900 }, (_, i) => `"${name(i)}":1`).join()}}`
  const bodies: readonly [string, Headers][] = [
    ...[
      filled('["', 'a', '"]'), filled('["', '\\u0061', '"]'), filled('["', '\\"', '"]'), filled('', '['), filled('', '{"a":'), filled('[', '1,', '1]'),
      filled('[', '1', ']'), filled('[', '""'), filled('', ':'), filled('', ' '), filled('', '\0'), filled('["', 'ж', '"]').slice(0, LARGE / 2),
      keys((i) => `key${i}`), keys((i) => String(i * 85891)), keys((i) => `\\u0061${i}`), keys((i) => String.fromCharCode(0x4e00 + i)), keys(() => 'a'),
      `{"messages":[${Array.from({ length: 3000 }, () => `{"role":"user","content":"${'hello '.repeat(50)}"}`).join()}]}`,
    ].map((body): [string, Headers] => [body, JSON_TYPE]),
    ...['%', '%41', '+', 'a', '&', '=', 'text=a&'].map((piece): [string, Headers] =>
      [filled('', piece).slice(0, 262_000), { 'content-type': 'application/x-www-form-urlencoded' }]),
    ...[filled('--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n', '-', '\r\n--b--'), filled('', '--b\r\n'), filled('--b\r\n', 'a: b\r\n')]
      .map((body): [string, Headers] => [body, { 'content-type': 'multipart/form-data; boundary=b' }]),
  ]
  await send(HELLO)
  for (const [text, headers] of bodies) {
    const { worst, turns } = await worstTurn(() => send(Buffer.from(text), headers))
    t.ok(worst <= 20, `${text.slice(0, 30)} took ${turns} ms at once`)
  }
})

/** The longest turn of the better of two rounds: once may be the garbage collector's turn. */
async function worstTurn (act: () => Promise<unknown>) {
  const turns: number[] = []
  for (let round = 0; round < 2; round++) {
    const stop = watchTurns()
    await act()
    turns.push(stop())
  }
  return { worst: Math.min(...turns), turns: turns.join(', ') }
}

/** Units that are read in many ways, or become many. */
const MANY_READINGS = [
  '㌖', '㌖ ', '\\u3316', '\\u0041', 'QUFB\n', 'REFP ', '41 ', '%41', 'Ǆ', 'aI', '\u0301', '😀', '\uD800', 'g1v b',
  'g1v b u v f ab1d fIb|g u!v b-v QUFB \\u0062 ', 'gа1v b vI ж.ж.ж ', 'gㄱ㌖1 v b u',
]

t.test('hostile prompts as long as they may be are read to their end, and stop nobody for long', async (t) => {
  const { received, send } = await start(t)
  for (const unit of MANY_READINGS) {
    // In two parts, which are read apart and together.
    const half = unit.repeat(MOST_INSPECTED / 2 / unit.length)
    const bodyOf = (...parts: readonly string[]) => JSON.stringify({ messages: [{ role: 'user', content: parts }] })
    const { worst, turns } = await worstTurn(() => send(bodyOf(half, half), JSON_TYPE))
    t.ok(worst <= 40, `${JSON.stringify(unit)}: ${turns} ms at once`)
    t.equal(received.splice(0).length, 2, 'it passes')
    const hidden = bodyOf(half, half.slice(24), '\nforbidden')
    t.match(await send(hidden, JSON_TYPE), { status: 400, text: /Not that/ }, 'the last word counts')
    t.strictSame(received, [])
  }
})

interface Whole {
  readonly body: Uint8Array
  readonly type: string | undefined
  readonly coding: string | undefined
  readonly encodes: boolean
}

t.test('whatever comes is answered, and forwarded as it came or not at all', async (t) => {
  const { received, send } = await start(t)
  const seeds = [HELLO, '{"text":"hello","messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}', 'prompt=hello&text=a',
    '--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nhello\r\n--b--\r\n']
  const change = fc.tuple(fc.nat(200), fc.nat(3), fc.uint8Array({ maxLength: 4 }))
  const mutated = fc.tuple(fc.constantFrom(...seeds), fc.array(change, { maxLength: 4 }))
    .map(([seed, changes]) => changes.reduce((bytes, [at, drop, put]) =>
      Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + drop)]), Buffer.from(seed)))
  const text = fc.oneof(fc.json(), fc.string()).map((text) => Buffer.from(text))
  const random = fc.oneof(fc.uint8Array({ maxLength: 300 }), text)
  const types = fc.constantFrom(undefined, 'application/json', 'text/plain', 'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=b', 'application/json; charset=utf-16', 'application/json; charset=latin1',
    'application/json; charset=x')
  const codings = fc.constantFrom(undefined, undefined, undefined, 'gzip', 'br', 'deflate', 'zstd', 'x')
  const whole = fc.record({ body: fc.oneof(mutated, random), type: types, coding: codings, encodes: fc.boolean() })
  const encoders: Readonly<Record<string, (body: Uint8Array) => Buffer>> = {
    gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync, zstd: zstdCompressSync,
  }
  const stop = watchTurns()
  const statuses = new Set<number>()
  const tryOne = async ({ body, type, coding = 'identity', encodes }: Whole) => {
    const bytes = Buffer.from(encodes ? encoders[coding]?.(body) ?? body : body)
    const { status } = await send(bytes, { ...type === undefined ? {} : { 'content-type': type }, 'content-encoding': coding })
    statuses.add(status)
    const forwarded = received.splice(0)
    t.strictSame(forwarded, status === 200 ? [bytes] : [])
  }
  let last: Promise<void> | undefined
  const property = fc.asyncProperty(whole, (one) => (last = tryOne(one)))
  await fc.assert(property, { numRuns: 2_000, interruptAfterTimeLimit: 5_000 })
  // Where the time was up, it is still under way.
  await last
  const worst = stop()
  t.ok(worst <= 40, `${worst} ms, garbage collection and the test's own work included`)
  t.strictSame([...statuses].sort((a, b) => a - b), [200, 400, 415])
})
