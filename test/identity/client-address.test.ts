import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import type { ClientAddress, ClientRules, IdentityRequest } from '../../src/identity/contract.js'
import {
  addressSubject, createAddressMatcher, isAddressRule, networkSubject, readAddress,
} from '../../src/identity/identity.js'
import { requestWith, setUp } from './helpers.js'

const from = (client: Partial<ClientRules>, peer: string, ...fields: [string, string][]): ClientAddress =>
  setUp([], { client }).clientOf(requestWith(fields, { peer }))

const viaProxy = (text: string, trustedProxies: ClientRules['trustedProxies'] = ['10.0.0.0/8']) =>
  from({ trustedProxies }, '10.0.0.1', ['X-Forwarded-For', text]).address

t.test('38: a spoofed X-Forwarded-For from an untrusted peer leaves the socket address as the key', async (t) => {
  const headers: [string, string][] = [
    ['X-Forwarded-For', '198.51.100.1'], ['Forwarded', 'for=198.51.100.1'], ['X-Real-IP', '198.51.100.1'],
    ['CF-Connecting-IP', '198.51.100.1'], ['True-Client-IP', '198.51.100.1'], ['X-Forwarded-Proto', 'https'],
    ['X-Forwarded-Host', 'evil.example'], ['Host', 'chat.example'],
  ]
  const names = ['x-forwarded-for', 'forwarded', 'cf-connecting-ip', 'true-client-ip', 'x-real-ip'] as const
  for (const addressHeader of names) {
    for (const trustedProxies of [[], ['10.0.0.0/8'], 0]) {
      t.match(from({ addressHeader, trustedProxies }, '203.0.113.9', ...headers), {
        address: '203.0.113.9', subject: 'ip:203.0.113.9', bannable: true, fromTrustedProxy: false, proto: 'http', host: 'chat.example',
      })
    }
  }
})

t.test('39: ports, brackets, zones and ::ffff: are taken off', async (t) => {
  const spellings: [string, string | undefined][] = [
    ['1.2.3.4:5555', '1.2.3.4'], ['::ffff:1.2.3.4', '1.2.3.4'], ['::FFFF:102:304', '1.2.3.4'],
    ['[::ffff:1.2.3.4]:80', '1.2.3.4'], ['0:0:0:0:0:ffff:0102:0304', '1.2.3.4'], ['[2001:db8::1]:443', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'], ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'], ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:1', 'fe80::1'], [' 1.2.3.4 ', '1.2.3.4'], ['2001:db8::1:443', '2001:db8::1:443'], ['::', '::'],
    ['01.2.3.4', undefined], ['0x7f.1', undefined], ['127.1', undefined], ['1', undefined], ['1.2.3.4.5', undefined],
    ['1.2.3.4:', undefined], ['1.2.3.4:x', undefined], ['1.2.3.4:123456', undefined], ['[2001:db8::1', undefined],
    ['[1.2.3.4]', undefined], ['[::1]x', undefined], ['', undefined], ['unknown', undefined], ['_hidden', undefined],
    ['1'.repeat(5000), undefined], ['１.2.3.4', undefined], ['1.2.3.4\0', undefined], ['1.2.3.4/8', undefined],
  ]
  for (const [text, expected] of spellings) t.equal(readAddress(text), expected, JSON.stringify(text.slice(0, 40)))
  t.equal(from({ trustedProxies: ['loopback'] }, '::1', ['X-Forwarded-For', '[2001:db8::1]:443']).subject, 'ip:2001:db8::/64')
  t.equal(from({}, '::ffff:203.0.113.9').subject, 'ip:203.0.113.9')
})

t.test('40: addresses of one network share a subject, others do not', async (t) => {
  const subject = (ipv6Prefix: number, peer: string) => from({ ipv6Prefix }, peer).subject
  t.equal(subject(64, '2001:db8:1:2::1'), subject(64, '2001:db8:1:2:ffff:ffff:ffff:ffff'))
  t.not(subject(64, '2001:db8:1:2::1'), subject(64, '2001:db8:1:3::1'))
  t.equal(subject(64, '2001:db8:1:2::1'), 'ip:2001:db8:1:2::/64')
  t.equal(subject(56, '2001:db8:1:2ff::1'), 'ip:2001:db8:1:200::/56')
  t.equal(subject(59, '2001:db8:1:ff::1'), 'ip:2001:db8:1:e0::/59')
  t.equal(subject(1, 'ffff::1'), 'ip:8000::/1')
  t.equal(subject(128, '2001:db8::1'), 'ip:2001:db8::1')
  t.equal(subject(64, '203.0.113.9'), 'ip:203.0.113.9')
  t.equal(from({}, '2001:db8:1:2::1').address, '2001:db8:1:2::1', 'the address itself is not masked')
})

t.test('X-Forwarded-For is walked from the right to the first hop that is not trusted', async (t) => {
  t.equal(viaProxy('6.6.6.6, 198.51.100.7'), '198.51.100.7')
  t.equal(viaProxy('6.6.6.6, 198.51.100.7, 10.1.1.1, 10.2.2.2'), '198.51.100.7')
  t.equal(viaProxy('10.3.3.3, 10.2.2.2'), '10.3.3.3', 'all trusted: the leftmost')
  t.equal(viaProxy('198.51.100.7:1234,10.2.2.2:80'), '198.51.100.7')
  t.equal(viaProxy('198.51.100.7, ,'), '198.51.100.7', 'empty elements are none')
  t.equal(from({ trustedProxies: ['10.0.0.0/8'] }, '10.0.0.1').address, '10.0.0.1', 'no header')
  const two = from({ trustedProxies: ['10.0.0.0/8'] }, '10.0.0.1',
    ['X-Forwarded-For', '6.6.6.6'], ['x-forwarded-for', '198.51.100.7'], ['X-FORWARDED-FOR', '10.1.1.1'])
  t.equal(two.address, '198.51.100.7', 'several fields are one list')
})

t.test('garbage in X-Forwarded-For stops the walk at the last good hop', async (t) => {
  for (const bad of ['unknown', '_hidden', 'evil', '127.1', '999.1.1.1', '"1.2.3.4"', '__proto__', '\u0000', 'x'.repeat(9000)]) {
    t.equal(viaProxy(`6.6.6.6, ${bad}`), '10.0.0.1')
    t.equal(viaProxy(`6.6.6.6, ${bad}, 10.1.1.1`), '10.1.1.1')
    t.equal(viaProxy(`${bad}, 198.51.100.7`), '198.51.100.7')
  }
  const endless = '10.9.9.9,'.repeat(2000) + '10.1.1.1'
  t.equal(viaProxy(`6.6.6.6,${endless}`), '10.9.9.9', 'a chain without end is not followed to its end')
})

t.test('hops count from the peer: 1 takes the last entry, too few entries give the leftmost', async (t) => {
  const hops = (count: number, text: string) => from({ trustedProxies: count }, '203.0.113.9', ['X-Forwarded-For', text])
  t.equal(hops(1, '1.1.1.1, 2.2.2.2, 3.3.3.3').address, '3.3.3.3')
  t.equal(hops(2, '1.1.1.1, 2.2.2.2, 3.3.3.3').address, '2.2.2.2')
  t.equal(hops(3, '1.1.1.1, 2.2.2.2, 3.3.3.3').address, '1.1.1.1')
  t.equal(hops(9, '1.1.1.1, 2.2.2.2').address, '1.1.1.1')
  t.equal(hops(2, '1.1.1.1, evil, 3.3.3.3').address, '3.3.3.3')
  t.equal(hops(0, '1.1.1.1').address, '203.0.113.9')
  t.match(hops(1, ''), { address: '203.0.113.9', fromTrustedProxy: true })
})

t.test('Forwarded is read as RFC 7239 writes it, and never believed beyond what can be read', async (t) => {
  const client = { trustedProxies: ['10.0.0.0/8'], addressHeader: 'forwarded' } as const
  const forwarded = (...values: string[]) =>
    from(client, '10.0.0.1', ...values.map((value): [string, string] => ['Forwarded', value]), ['Host', 'inner'])
  t.match(forwarded('for=198.51.100.7;proto=https;host="chat.example:8443"'), { address: '198.51.100.7', proto: 'https', host: 'chat.example:8443' })
  t.equal(forwarded('For="[2001:db8:cafe::17]:4711"').address, '2001:db8:cafe::17')
  t.equal(forwarded('for=6.6.6.6, for="198.51.100.7:80";by=10.0.0.3 , For=10.0.0.2').address, '198.51.100.7')
  t.equal(forwarded('for=6.6.6.6', 'for=198.51.100.7').address, '198.51.100.7')
  t.match(forwarded('for=6.6.6.6;host=evil.example;proto=https, for=198.51.100.7;proto=http'), { proto: 'http', host: 'inner' })
  t.match(forwarded('for=198.51.100.7;host=chat.example, for=10.0.0.2;proto=https'), { proto: 'https', host: 'chat.example' })
  t.equal(forwarded('for="198.51.100.\\7"').address, '198.51.100.7', 'quoted pairs')
  for (const unreadable of ['for=unknown', 'for=_x', 'for=', 'for', '=', ';;', 'for="1.2.3.4', 'for=1.2.3.4"', 'by=1.2.3.4', ',',
    'for=1.2.3.4;for=5.6.7.8', 'for="x" y', '__proto__=1', 'for=6.6.6.6, for="', 'for=6.6.6.6, for="x, for=198.51.100.7', 'for=6.6.6.6, ☃', 'f'.repeat(20_000)]) {
    t.equal(forwarded(unreadable).address, '10.0.0.1', unreadable.slice(0, 40))
    t.equal(forwarded(unreadable, 'for=198.51.100.7').address, '198.51.100.7', 'a broken field does not spoil the proxy\'s own')
  }
  t.match(from(client, '10.0.0.1', ['X-Forwarded-For', '6.6.6.6'], ['X-Forwarded-Host', 'evil']), { address: '10.0.0.1', host: undefined },
    'the other headers are not looked at')
})

t.test('headers of one address count from a trusted peer only, and only when they hold one', async (t) => {
  for (const addressHeader of ['cf-connecting-ip', 'true-client-ip', 'x-real-ip'] as const) {
    const client = { trustedProxies: ['172.16.0.0/12'], addressHeader }
    t.equal(from(client, '172.17.0.1', [addressHeader, '2001:db8::5']).address, '2001:db8::5')
    t.equal(from(client, '172.17.0.1', [addressHeader, '1.1.1.1'], [addressHeader, '2.2.2.2']).address, '172.17.0.1')
    t.equal(from(client, '172.17.0.1', [addressHeader, 'nonsense']).address, '172.17.0.1')
    t.equal(from(client, '172.17.0.1', ['X-Forwarded-For', '6.6.6.6']).address, '172.17.0.1', 'no other header stands in')
    t.equal(from(client, '203.0.113.9', [addressHeader, '1.1.1.1']).address, '203.0.113.9')
    t.equal(from({ addressHeader, trustedProxies: 1 }, '203.0.113.9', [addressHeader, '1.1.1.1']).address, '1.1.1.1')
  }
})

t.test('scheme and host are a trusted proxy\'s word, that of the hop which is believed', async (t) => {
  const origin = (...fields: [string, string][]) => {
    const { proto, host } = from({ trustedProxies: ['10.0.0.0/8'] }, '10.0.0.1', ['Host', 'inner'], ...fields)
    return `${proto}://${host}`
  }
  t.equal(origin(), 'http://inner')
  t.equal(origin(['X-Forwarded-Proto', 'HTTPS'], ['X-Forwarded-Host', 'chat.example']), 'https://chat.example')
  t.equal(origin(['X-Forwarded-Proto', 'gopher'], ['X-Forwarded-Host', 'a b/<script>']), 'http://inner')
  const spoofed: [string, string][] = [['X-Forwarded-For', '6.6.6.6, 198.51.100.7'], ['X-Forwarded-Host', 'evil.example, chat.example']]
  t.equal(origin(...spoofed, ['X-Forwarded-Proto', 'http, https']), 'https://chat.example')
  const chain: [string, string][] = [['X-Forwarded-For', '198.51.100.7, 10.2.2.2'], ['X-Forwarded-Proto', 'https, http']]
  t.equal(origin(...chain), 'https://inner', 'the outermost proxy knows how the client came')
  t.equal(setUp([]).clientOf(requestWith([], { encrypted: true })).proto, 'https')
})

t.test('a proxy that nobody told us about is never banned, and said once', async (t) => {
  const { clientOf, log } = setUp([])
  const bannable = (peer: string, ...fields: [string, string][]) => clientOf(requestWith(fields, { peer })).bannable
  const signs: [string, string][] = [['X-Forwarded-For', '1.1.1.1'], ['Forwarded', 'for=x'], ['X-Real-IP', ''],
    ['CF-Connecting-IP', '1.1.1.1'], ['True-Client-IP', '1.1.1.1']]
  for (const peer of ['10.1.2.3', '172.20.0.1', '192.168.0.1', '127.0.0.1', '169.254.1.1', '::1', 'fe80::1%eth0', 'fd00::1', '::ffff:10.0.0.1']) {
    t.equal(bannable(peer), true, peer)
    for (const sign of signs) t.equal(bannable(peer, sign), false, `${peer} ${sign[0]}`)
  }
  for (const peer of ['203.0.113.9', '2001:db8::1', '11.0.0.1', '172.32.0.1']) {
    for (const sign of signs) t.equal(bannable(peer, sign), true, `${peer} ${sign[0]}`)
  }
  t.equal(log.lines.length, 1)
  t.match(log.lines[0]?.text, /10\.1\.2\.3.*trustedProxies/)
  t.equal(from({ trustedProxies: ['private'] }, '10.1.2.3', ['X-Forwarded-For', '192.168.7.7']).bannable, true, 'a trusted one is no matter')
})

t.test('a peer without an address is nobody\'s address, and no network\'s name makes it trusted', async (t) => {
  const trustedProxies = ['loopback', 'private', 'linklocal']
  const gone = from({ trustedProxies }, '', ['X-Forwarded-For', '1.1.1.1'])
  t.match(gone, { address: '0.0.0.0', subject: 'ip:0.0.0.0', bannable: false, fromTrustedProxy: false })
  t.match(from({ trustedProxies: 1 }, '', ['X-Forwarded-For', '1.1.1.1']), { address: '1.1.1.1', bannable: true })
})

t.test('lists of addresses take addresses, CIDRs in any spelling, and names', async (t) => {
  const list = ['203.0.113.9', '10.1.2.3/8', '2001:db8::5', '2001:db8:ffff::1/48', '::ffff:192.0.2.0/120', 'link-local', '198.51.100.0/31']
  const matches = createAddressMatcher(list)
  for (const yes of ['203.0.113.9', '::ffff:203.0.113.9', '10.255.0.1', '2001:DB8::5', '2001:db8:ffff:9::9', '192.0.2.200', '169.254.9.9',
    'fe80::77%eth1', '198.51.100.1', '203.0.113.9:80']) t.ok(matches(yes), yes)
  for (const no of ['203.0.113.8', '11.0.0.1', '2001:db8::6', '2001:db8:fffe::1', '192.0.3.1', '198.51.100.2', '', 'evil', '__proto__']) {
    t.notOk(matches(no), no)
    t.notOk(matches(no), 'nor when asked again')
  }
  t.ok(createAddressMatcher(['0.0.0.0/0'])('8.8.8.8'))
  t.notOk(createAddressMatcher(['0.0.0.0/0'])('2001:db8::1'))
  t.ok(createAddressMatcher(['::/0'])('2001:db8::1'))
  for (const bad of ['10.0.0.0/33', '10/8', 'evil', '', '::/129', '10.0.0.0/', '10.0.0.0/-1', '1', 'toString']) {
    t.throws(() => createAddressMatcher([bad]), TypeError, bad)
    t.notOk(isAddressRule(bad))
  }
  t.ok(list.every(isAddressRule))
})

t.test('what an operator types becomes the subject that is stored', async (t) => {
  t.equal(addressSubject('2001:db8::1', 64), 'ip:2001:db8::/64')
  t.equal(addressSubject('nonsense', 64), undefined)
  t.equal(networkSubject('203.0.113.9'), 'ip:203.0.113.9')
  t.equal(networkSubject('203.0.113.9/32'), 'ip:203.0.113.9')
  t.equal(networkSubject('10.1.2.3/8'), 'ip:10.0.0.0/8')
  t.equal(networkSubject('::ffff:1.2.3.4'), 'ip:1.2.3.4')
  t.equal(networkSubject('2001:DB8::1'), 'ip:2001:db8::1')
  t.equal(networkSubject('2001:db8::1/64'), 'ip:2001:db8::/64')
  t.equal(networkSubject('::ffff:10.1.2.3/104'), 'ip:10.0.0.0/8')
  for (const bad of ['', 'evil', ':', '10.0.0.1/33', 'ip:10.0.0.1']) t.equal(networkSubject(bad), undefined, bad)
})

t.test('whatever a client writes, the address is canonical and not its choice', async (t) => {
  const wild = fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.ipV4(), fc.ipV6(), fc.constantFrom('10.0.0.2', '"', ',', ';', 'for=')), { maxLength: 6 })
  for (const addressHeader of ['x-forwarded-for', 'forwarded', 'x-real-ip'] as const) {
    const trusting = setUp([], { client: { trustedProxies: ['10.0.0.0/8'], addressHeader } })
    const seenFrom = (...values: string[]) => trusting.clientOf(requestWith(
      values.map((value): [string, string] => [addressHeader, value]), { peer: '10.0.0.1' }))
    fc.assert(fc.property(wild, (parts) => {
      const client = seenFrom(parts.join(','))
      if (client.address !== readAddress(client.address)) return false
      if (client.subject !== addressSubject(client.address, 64)) return false
      if (addressHeader === 'x-real-ip') return true
      const appended = addressHeader === 'forwarded' ? 'for=198.51.100.7' : '198.51.100.7'
      return seenFrom(parts.join(','), appended).address === '198.51.100.7'
    }), { numRuns: 150 })
  }
})

t.test('a real request from a real socket is read the same', async (t) => {
  const seen: IdentityRequest[] = []
  const server = createServer(({ socket, headers, rawHeaders }, response) => {
    seen.push({ peer: socket.remoteAddress ?? '', encrypted: false, headers, rawHeaders, query: '', params: {} })
    response.end()
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.end('GET / HTTP/1.1\r\nHost: chat.example\r\nX-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 2001:db8::7, 127.0.0.2\r\n' +
    'X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n')
  await once(socket.resume(), 'close')
  const [request] = seen
  if (request === undefined) throw new Error('no request came')
  const { clientOf } = setUp([], { client: { trustedProxies: ['loopback'] } })
  t.strictSame(clientOf(request), {
    address: '2001:db8::7', subject: 'ip:2001:db8::/64', bannable: true, fromTrustedProxy: true, proto: 'https', host: 'chat.example',
  })
  t.match(setUp([]).clientOf(request), { address: '127.0.0.1', bannable: false, proto: 'http' })
})
