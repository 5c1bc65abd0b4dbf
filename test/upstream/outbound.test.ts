import t from 'tap'
import type { ClientAddress } from '../../src/identity/contract.js'
import { parseOrigin } from '../../src/upstream/origin.js'
import { hasSeveralHosts, outboundRules, prepareOutbound, type OutboundInput } from '../../src/upstream/upstream.js'
import { CLIENT, upstreamRules } from './harness.js'

const rules = outboundRules(upstreamRules('http://backend:3080'), 'drop')
const ADDED = ['x-forwarded-for', '203.0.113.7', 'x-forwarded-proto', 'http', 'x-forwarded-host', 'chat.example', 'x-request-id', 'req-1']

function headersOf (rawHeaders: string[], input: Partial<OutboundInput> = {}): string[] {
  return prepareOutbound({
    method: 'GET',
    target: { raw: '/a?b', path: '/a', query: 'b', authority: undefined },
    rawHeaders,
    client: CLIENT,
    requestId: 'req-1',
    body: undefined,
    rules,
    ...input,
  }).headers
}

t.test('end-to-end headers pass in their order and spelling, forwarding headers are ours', async (t) => {
  const sent = ['Host', 'chat.example:8080', 'X-B', '2', 'x-a', '1', 'X-B', '3', 'Content-Length', '5', 'Cookie', 'c=1']
  t.same(headersOf(sent), ['host', 'chat.example:8080', ...sent.slice(2), ...ADDED])
})

t.test('what a client forges is removed, in every spelling', async (t) => {
  const forged = [
    'X-Forwarded-For', '1.1.1.1', 'x-forwarded-for', '2.2.2.2', 'X_Forwarded_For', '3.3.3.3', 'X-Forwarded-Proto', 'https',
    'X-Forwarded-Host', 'evil', 'X-Forwarded-Port', '1', 'X-Forwarded-User', 'root', 'Forwarded', 'for=1.1.1.1', 'X-Real-IP', '1.1.1.1',
    'x_real_ip', '1.1.1.1', 'CF-Connecting-IP', '1.1.1.1', 'True-Client-IP', '1.1.1.1', 'X-Portcullis-User', 'root',
    'X-PORTCULLIS-', '', 'X-Request-Id', 'theirs', 'X-HTTP-Method-Override', 'DELETE', 'X-HTTP-Method', 'PUT',
    'X-Method-Override', 'PUT', 'X_HTTP_Method_Override', 'PUT', 'X-Original-URL', '/admin', 'X-Rewrite-URL', '/admin', 'Proxy', 'http://evil',
  ]
  t.same(headersOf(forged), ['host', 'backend:3080', ...ADDED])
})

t.test('a trusted proxy\'s own address headers stay, the three that we know better do not', async (t) => {
  const client: ClientAddress = { ...CLIENT, fromTrustedProxy: true, proto: 'https', address: '2001:db8::1', host: undefined }
  const sent = [
    'Forwarded', 'for=192.0.2.1', 'X-Real-IP', '192.0.2.1', 'CF-Connecting-IP', '192.0.2.1', 'True-Client-IP', '192.0.2.1',
    'X-Forwarded-Port', '443', 'X-Forwarded-For', '192.0.2.1, 10.0.0.1', 'X-Forwarded-Proto', 'http', 'X-Portcullis-X', '1',
  ]
  t.same(headersOf(sent, { client }), [
    'host', 'backend:3080', ...sent.slice(0, 10),
    'x-forwarded-for', '2001:db8::1', 'x-forwarded-proto', 'https', 'x-request-id', 'req-1',
  ])
})

t.test('hop-by-hop headers end here, and those that Connection names', async (t) => {
  const sent = [
    'Connection', 'Keep-Alive, X-Named', 'connection', ' x-too ,X-FORWARDED-FOR,host,content-length', 'Keep-Alive', 'timeout=5', 'X-Named', '1',
    'X-Too', '1', 'Proxy-Authorization', 'Basic x', 'Proxy-Connection', 'keep-alive', 'TE', 'gzip, trailers;q=0.5', 'Trailer', 'X',
    'Transfer-Encoding', 'chunked', 'Upgrade', 'h2c', 'HTTP2-Settings', 'x', 'Expect', '100-continue', 'Host', 'a', 'Content-Length', '3', 'X-Stays', '1',
  ]
  t.same(headersOf(sent), ['host', 'a', 'Content-Length', '3', 'X-Stays', '1', ...ADDED])
  t.same(headersOf(['TE', 'gzip, Trailers']), ['host', 'backend:3080', 'te', 'trailers', ...ADDED], 'trailers is the one coding we pass')
})

t.test('exactly one Host is sent: the absolute target\'s, else the first', async (t) => {
  const target = { raw: '/', path: '/', query: '', authority: 'absolute.example' }
  const hosts = ['Host', 'first.example', 'host', 'second.example']
  t.same(headersOf(hosts, { target }).slice(0, 4), ['host', 'absolute.example', 'x-forwarded-for', '203.0.113.7'])
  t.equal(headersOf(hosts, { target })[7], 'absolute.example', 'the one that the backend is told everywhere')
  t.same(headersOf(hosts).slice(0, 4), ['host', 'first.example', 'x-forwarded-for', '203.0.113.7'])
  t.equal(headersOf(['Host', ''])[1], 'backend:3080')
  const upstream = outboundRules(upstreamRules('https://backend', { host: 'upstream' }), 'drop')
  t.equal(headersOf(hosts, { target, rules: upstream })[1], 'backend')
  t.ok(hasSeveralHosts(hosts))
  t.notOk(hasSeveralHosts(['Host', 'a', 'X-Host', 'b']))
})

t.test('a body that was read travels with its own length', async (t) => {
  const body = Buffer.from('rewritten')
  t.same(headersOf(['Content-Length', '3', 'X', '1'], { body }), ['host', 'backend:3080', 'X', '1', 'content-length', '9', ...ADDED])
  t.same(headersOf([], { body: Buffer.alloc(0) }), ['host', 'backend:3080', ...ADDED])
  t.same(headersOf(['Content-Length', '0'], { body: Buffer.alloc(0) }).slice(2, 4), ['content-length', '0'])
})

t.test('method overrides pass when the policy says so', async (t) => {
  const pass = outboundRules(upstreamRules('http://backend:3080'), 'pass')
  t.same(headersOf(['X-HTTP-Method-Override', 'PUT'], { rules: pass }), ['host', 'backend:3080', 'X-HTTP-Method-Override', 'PUT', ...ADDED])
})

t.test('upstream URLs are read in their three forms, others are refused', async (t) => {
  t.match(parseOrigin('http://chat:3080'), { secure: false, hostname: 'chat', port: 3080, authority: 'chat:3080', base: '' })
  t.match(parseOrigin('https://[::1]/base/'), { secure: true, hostname: '::1', port: 443, authority: '[::1]', base: '/base' })
  t.match(parseOrigin('unix:/run/chat.sock'), { socketPath: '/run/chat.sock', authority: 'localhost', base: '' })
  t.match(parseOrigin('unix:///run/chat.sock'), { socketPath: '/run/chat.sock' })
  for (const url of ['ftp://a', 'unix:relative.sock', 'nonsense']) t.throws(() => parseOrigin(url), TypeError)
})

t.test('of an edited body the type and the length are its own, and what spoke of the old bytes is gone', async (t) => {
  const sent = [
    'Host', 'a', 'Content-Type', 'application/json; charset=utf-16', 'Content-Encoding', 'gzip', 'Content-Length', '5', 'Content-MD5', 'x', 'Digest', 'x',
    'content-digest', 'x', 'Repr-Digest', 'x', 'Connection', 'x-portcullis-class, content-length', 'X-Stays', '1',
  ]
  const body = Buffer.from('edited')
  const edited = { type: 'application/json; charset=utf-8' }
  t.same(headersOf(sent, { body, edited }), ['host', 'a', 'Content-Type', edited.type, 'X-Stays', '1', 'content-length', '6', ...ADDED])
  t.same(headersOf(['Content-Type', 'a/b'], { body, edited: { type: undefined } }), ['host', 'backend:3080', 'Content-Type', 'a/b', 'content-length', '6', ...ADDED])
  t.same(headersOf(sent.slice(0, 16), { body }), ['host', 'a', ...sent.slice(2, 6), ...sent.slice(8, 16), 'content-length', '6', ...ADDED], 'else they stay')
})

t.test('fields of ours stand in place of the client\'s, however it spells them', async (t) => {
  const sent = ['X-Portcullis-Class', 'forged', 'x_class', 'forged', 'X-CLASS', 'forged', 'X-Other', 'x-class', 'Connection', 'x-class']
  const added = [['x-class', 'DEEP'], ['x-portcullis-class', 'DEEP']] as const
  t.same(headersOf(sent, { added }), ['host', 'backend:3080', 'X-Other', 'x-class', ...ADDED, 'x-class', 'DEEP', 'x-portcullis-class', 'DEEP'])
})
