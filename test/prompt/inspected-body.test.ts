import fc from 'fast-check'
import t from 'tap'
import { promptOf, readInspectedBody, type InspectionFault } from '../../src/prompt/prompt.js'
import { rules } from './rules.js'

const CHAT = '{"messages":[{"role":"user","content":"häßlich €"}]}'
const JSON_TYPE = 'application/json'
const FORM = 'application/x-www-form-urlencoded'
const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16()

/** What is said in a body: its newest texts, or what is wrong with it. */
async function said (body: string | Buffer, type?: string): Promise<readonly string[] | InspectionFault> {
  const read = await readInspectedBody(Buffer.from(body as string), type)
  return typeof read === 'string' ? read : promptOf(read, rules.both, 'last').flat()
}

t.test('JSON is read in whatever guise a backend would read it', async (t) => {
  const types = [undefined, '', JSON_TYPE, 'APPLICATION/JSON', ' application/json ; charset=UTF-8', 'application/json; charset="utf8"',
    'application/vnd.api+json', 'text/json', 'text/plain', 'text/plain; charset=utf-8; x="a', FORM, 'application/octet-stream', 'image/png', 'nonsense']
  for (const type of types) t.strictSame(await said(CHAT, type), ['häßlich €'], type ?? 'no type')
  t.strictSame(await said('\n\t ' + CHAT, 'text/plain'), ['häßlich €'])
  t.strictSame(await said(Buffer.from('\ufeff' + CHAT), JSON_TYPE), ['häßlich €'], 'a byte order mark')
  t.strictSame(await said('{"text":"a"}', 'application/json; charset=us-ascii'), ['a'])
  t.strictSame(await said(Buffer.from('{"text":"ä"}', 'latin1'), 'application/json; charset=ISO-8859-1'), ['ä'])
  for (const charset of ['utf-16le', 'utf-16', '"UTF-16LE"']) {
    t.strictSame(await said(Buffer.from(CHAT, 'utf16le'), `${JSON_TYPE}; charset=${charset}`), ['häßlich €'], charset)
    t.strictSame(await said(Buffer.from('\ufeff' + CHAT, 'utf16le'), `${JSON_TYPE}; charset=${charset}`), ['häßlich €'], charset)
  }
  for (const charset of ['utf-16be', 'utf-16']) {
    t.strictSame(await said(utf16be(CHAT), `${JSON_TYPE}; charset=${charset}`), ['häßlich €'], charset)
    t.strictSame(await said(utf16be('\ufeff' + CHAT), `${JSON_TYPE}; charset=${charset}`), ['häßlich €'], charset)
  }
})

t.test('what claims to be JSON, or begins like it, must be JSON that all read alike', async (t) => {
  const bad: readonly [string | Buffer, string | undefined, InspectionFault][] = [
    ['hello', JSON_TYPE, 'INVALID_JSON'],
    [' ', JSON_TYPE, 'INVALID_JSON'],
    ['{"a":1} trailing', 'text/plain', 'INVALID_JSON'],
    ['{"a":1}{"text":"b"}', undefined, 'INVALID_JSON'],
    ['{"text":"a","te\\u0078t":"b"}', 'text/plain', 'DUPLICATE_KEYS'],
    ['{"a":{"b":1,"b":2}}', FORM, 'DUPLICATE_KEYS'],
    ['['.repeat(65) + ']'.repeat(65), undefined, 'TOO_DEEP'],
    [`[${'1,'.repeat(60_000)}1]`, JSON_TYPE, 'BODY_TOO_LARGE'],
    // Python finds out by itself; Node and Go do not.
    [Buffer.from(CHAT, 'utf16le'), JSON_TYPE, 'INVALID_JSON'],
    [Buffer.from(CHAT, 'utf16le'), 'text/plain', 'INVALID_JSON'],
    [utf16be(CHAT), undefined, 'INVALID_JSON'],
    [utf16be('\ufeff' + CHAT), 'text/plain', 'INVALID_JSON'],
    [Buffer.from([0, 0, 0, 0x7b, 0, 0, 0, 0x7d]), undefined, 'INVALID_JSON'],
    [CHAT, `${JSON_TYPE}; charset=utf-16`, 'INVALID_JSON'],
    [CHAT, 'text/plain; charset=utf-16le', 'INVALID_JSON'],
    [utf16be(CHAT), `${JSON_TYPE}; charset=utf-16le`, 'INVALID_JSON'],
    [Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xff]), Buffer.from('"}')]), JSON_TYPE, 'INVALID_JSON'],
    [Buffer.from('{"text":"\xed\xa0\x80"}', 'latin1'), JSON_TYPE, 'INVALID_JSON'],
    [Buffer.from('{"text":"\xc1\xa1"}', 'latin1'), JSON_TYPE, 'INVALID_JSON'],
    ['\ufeff\ufeff{}', JSON_TYPE, 'INVALID_JSON'],
    // UTF-8 to most backends, Latin-1 to those that heed the type.
    [CHAT, `${JSON_TYPE}; charset=latin1`, 'UNSUPPORTED_ENCODING'],
    [CHAT, `${JSON_TYPE}; charset=utf-7`, 'UNSUPPORTED_ENCODING'],
    [CHAT, `${JSON_TYPE}; charset=utf-32`, 'UNSUPPORTED_ENCODING'],
    [CHAT, `${JSON_TYPE}; charset=ibm037`, 'UNSUPPORTED_ENCODING'],
    [CHAT, `${JSON_TYPE}; charset=__proto__`, 'UNSUPPORTED_ENCODING'],
    [CHAT, `${JSON_TYPE}; charset=`, 'UNSUPPORTED_ENCODING'],
    [CHAT, `${JSON_TYPE}; charset=utf-8; charset=utf-16`, 'MALFORMED_REQUEST'],
    [CHAT, `${JSON_TYPE}; charset*=utf-16`, 'MALFORMED_REQUEST'],
    [CHAT, `${JSON_TYPE}; charset = utf-16`, 'MALFORMED_REQUEST'],
    [CHAT, `${JSON_TYPE}, text/plain`, 'MALFORMED_REQUEST'],
    [' '.repeat(100_000), 'text/plain', 'INVALID_JSON'],
  ]
  for (const [body, type, fault] of bad) t.equal(await said(body, type), fault, `${type}: ${body.toString('latin1').slice(0, 40)}`)
})

t.test('what is no JSON and claims to be none says nothing here', async (t) => {
  for (const [body, type] of [['hello', 'text/plain'], ['hello', undefined], ['"hello"', 'text/plain'], ['', JSON_TYPE], ['', undefined],
    ['\ufeff', 'text/plain'], ['\x89PNG\r\n', 'image/png'], ['hello', 'text/plain; charset=ibm037'], ['text=a', 'text/plain']] as const) {
    t.strictSame(await said(body, type), [], `${type}: ${body}`)
  }
})

t.test('every text of an urlencoded form counts', async (t) => {
  t.strictSame(await said('prompt=a&x=1&prompt=b+c%21&%70rompt=d&prompt', FORM), ['a', 'b c!', 'd'])
  t.strictSame(await said('text=a&messages[0][content]=b&messages%5B1%5D%5Bcontent%5D=c', FORM), ['a', 'b', 'c'])
  t.strictSame(await said('{"text":"json&prompt=form&"}', FORM), ['json&prompt=form&', 'form'], 'a body that is both is read as both')
  t.equal(await said('a=1&'.repeat(1001), FORM), 'BODY_TOO_LARGE')
  t.equal(await said(`prompt=${'x'.repeat(256 * 1024)}`, FORM), 'BODY_TOO_LARGE')
  t.equal(await said('prompt=a', `${FORM}; charset=utf-16`), 'UNSUPPORTED_ENCODING')
})

const MULTIPART = 'multipart/form-data; boundary=b'
const DISPOSITION = 'Content-Disposition: form-data; name="prompt"'
const part = (content: string, head = DISPOSITION) => `--b\r\n${head}\r\n\r\n${content}\r\n`
const form = (...parts: string[]) => `${parts.join('')}--b--\r\n`

t.test('the texts of a multipart form count, its files do not', async (t) => {
  const body = form(part('a'), part('file', `${DISPOSITION}; filename="a.txt"\r\nContent-Type: text/plain; charset=latin1`), part('b'),
    part('other', 'Content-Disposition: form-data; name="other"'), part('c\r\nd\r\n', 'content-disposition:form-data;name=prompt'), part(''))
  t.strictSame(await said(body, MULTIPART), ['a', 'b', 'c\r\nd\r\n'])
  t.strictSame(await said(body.slice(0, -2), 'Multipart/Form-Data; charset=utf-8; BOUNDARY="b"'), ['a', 'b', 'c\r\nd\r\n'])
  t.strictSame(await said('\r\n' + form(part('a')), MULTIPART), ['a'])
  t.strictSame(await said('--b--', MULTIPART), [])
  t.strictSame(await said(form(part('ä', `${DISPOSITION}\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit`)), MULTIPART), ['ä'])
  t.strictSame(await said(form(part('a', 'Content-Disposition: form-data; name="messages[0][content]"')), MULTIPART), ['a'])
  t.strictSame(await said(form(part('x'.repeat(1_500_000)), part('tail')), MULTIPART), ['x'.repeat(1_500_000), 'tail'])
})

t.test('a part that only some backends take for a file counts as a text', async (t) => {
  for (const head of [`${DISPOSITION}; filename=""`, `${DISPOSITION}; filename*=utf-8''a.txt`, `${DISPOSITION}\r\nContent-Type: application/octet-stream`]) {
    t.strictSame(await said(form(part('a', head)), MULTIPART), ['a'], head)
  }
})

t.test('a multipart form that backends read differently is refused', async (t) => {
  const heads = [
    '', 'Content-Type: text/plain', 'Content-Disposition: form-data', 'Content-Disposition: attachment; name="prompt"',
    `${DISPOSITION}; name="x"`, 'Content-Disposition: form-data; name="x"; NAME=prompt', `Content-Disposition: form-data; name="x"\r\n${DISPOSITION}`,
    "Content-Disposition: form-data; name*=utf-8''prompt", `${DISPOSITION}; name*=utf-8''x`, `${DISPOSITION}; filename="a"; filename="b"`,
    'Content-Disposition: form-data; name="pro\\mpt"; filename="\\"; name="prompt"', `${DISPOSITION}; filename="a\\"`, `${DISPOSITION} x`,
    'Content-Disposition : form-data; name="prompt"', 'Content-Disposition: form-data;\r\n name="prompt"', 'Content-Disposition: form-data; name="prompt',
    `${DISPOSITION}\r\nContent-Transfer-Encoding: base64`, `${DISPOSITION}\r\nContent-Transfer-Encoding: quoted-printable`,
    `${DISPOSITION}\r\nContent-Type: multipart/mixed; boundary=c`, `${DISPOSITION}\r\nContent-Type: text/plain, text/html`,
    `${DISPOSITION}\nX: y`, `${DISPOSITION}\0`, `X: ${'y'.repeat(17_000)}\r\n${DISPOSITION}`,
  ]
  for (const head of heads) t.equal(await said(form(part('a', head)), MULTIPART), 'MALFORMED_REQUEST', JSON.stringify(head.slice(0, 90)))
  const bodies = [
    'text', '--b', '--b\r\n', part('a'), `preamble\r\n${form(part('a'))}`, `${form(part('a'))}epilogue`, `${form(part('a'))}${form(part('a'))}`,
    form(part('a')).replaceAll('\r\n', '\n'), form(part('a --b c')), form(part('a\n--b\nb')), form(part('a').replace('--b', '--b ')),
    form(part('a').replace('\r\n\r\n', '\r\n')), '--b\r\n\r\na\r\n--b--', '--b\r\n--b--', form(part('a')).replace('--b--', '--b-'), '-'.repeat(2_000_000), CHAT,
  ]
  for (const body of bodies) t.equal(await said(body, MULTIPART), 'MALFORMED_REQUEST', JSON.stringify(body.slice(0, 90)))
  for (const type of ['multipart/form-data', 'multipart/form-data; boundary=', 'multipart/form-data; boundary=b; boundary=c', 'multipart/form-data; boundary="b',
    "multipart/form-data; boundary*=utf-8''b", `multipart/form-data; boundary=${'b'.repeat(71)}`, 'multipart/form-data; boundary="b "',
    'multipart/form-data, text/plain; boundary=b', 'multipart/form-data x; boundary=b']) {
    t.equal(await said(form(part('a')), type), 'MALFORMED_REQUEST', type)
  }
  t.equal(await said(form(part('a')), `${MULTIPART}; charset=utf-16`), 'UNSUPPORTED_ENCODING')
  t.equal(await said(form(part('a', `${DISPOSITION}\r\nContent-Type: text/plain; charset=utf-7`)), MULTIPART), 'UNSUPPORTED_ENCODING')
  t.equal(await said(Buffer.from(form(part('\xff')), 'latin1'), MULTIPART), 'UNSUPPORTED_ENCODING')
  t.equal(await said(form(...Array.from({ length: 1001 }, () => part('a'))), MULTIPART), 'BODY_TOO_LARGE')
})

t.test('the forms of fetch are read as they were made', async (t) => {
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('prompt', 'x'), fc.string({ unit: 'grapheme' }), fc.boolean()), { maxLength: 5 }), async (parts) => {
    const data = new FormData()
    for (const [name, value, isFile] of parts) data.append(name, isFile ? new Blob([value]) : value, ...isFile ? ['f.txt'] : [])
    const request = new Request('http://localhost', { method: 'POST', body: data })
    const body = Buffer.from(await request.arrayBuffer())
    const wanted = parts.filter(([name, value, isFile]) => name === 'prompt' && !isFile && value !== '').map(([, value]) => value.replaceAll(/\r\n|\r|\n/g, '\r\n'))
    t.strictSame(await said(body, request.headers.get('content-type') ?? ''), wanted.map((value) => value.toWellFormed()))
  }), { numRuns: 100 })
})
