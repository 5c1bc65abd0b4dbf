import t from 'tap'
import { createOpenExchanges } from '../../src/gateway/open-exchanges.js'
import { banOf } from '../bans/ban-rig.js'
import { exchangeOf, policyOf, type Caller } from '../bans/exchange-rig.js'

function openAll (callers: readonly Caller[]) {
  const exchanges = createOpenExchanges()
  const closed: string[] = []
  for (const caller of callers) exchanges.add(exchangeOf(caller), () => closed.push(caller.address ?? ''))
  return { exchanges, closed }
}

t.test('a ban closes whom it concerns: a user on any address, an address, a network of any length', (t) => {
  const { exchanges, closed } = openAll([
    { users: ['42'], address: '10.9.9.9' }, { users: ['7', '42'], address: '192.0.2.1' },
    { users: ['7'], address: '192.0.2.1' },
    { address: '203.0.113.200' }, { address: '203.0.113.9' }, { address: '2001:db8::9' }, { address: '2001:db8:0:1::9' },
    { address: '' }, { users: ['a/b'], address: '192.0.2.2' },
  ])
  const closes = (subject: string) => {
    const before = closed.length
    t.equal(exchanges.closeFor(banOf(subject)), closed.length - before)
    return closed.slice(before)
  }
  t.same(closes('user:1'), [])
  t.same(closes('user:a'), [])
  t.same(closes('user:a/b'), ['192.0.2.2'])
  t.same(closes('user:42'), ['10.9.9.9', '192.0.2.1'])
  t.same(closes('ip:192.0.2.1'), ['192.0.2.1'], 'the one who is left there')
  t.same(closes('ip:10.0.0.0/8'), [], 'is gone')
  t.same(closes('ip:203.0.113.0/25'), ['203.0.113.9'], 'ends within an octet')
  t.same(closes('ip:2001:db8::/64'), ['2001:db8::9'])
  t.same(closes('ip:2001:db8::/47'), ['2001:db8:0:1::9'], 'ends within a word')
  t.same(closes('ip:::/0'), [], 'of the other family')
  t.same(closes('ip:0.0.0.0/0'), ['203.0.113.200'])
  t.equal(exchanges.size, 1, 'what has no address stays')
  exchanges.closeAll()
  t.equal(exchanges.size, 0)
  t.equal(closed.length, 9)
  t.end()
})

t.test('who is exempt, only observed or gone is not closed, and each only once', (t) => {
  const exchanges = createOpenExchanges()
  let closed = 0
  const close = () => { closed++ }
  const observed = { ...policyOf(), mode: 'observe' as const }
  exchanges.add(exchangeOf({ users: ['42'] }, { exempt: true }), close)
  exchanges.add(exchangeOf({ users: ['42'] }, { policy: observed }), close)
  const gone = exchanges.add(exchangeOf({ users: ['42'] }), close)
  exchanges.remove(gone)
  exchanges.remove(gone)
  t.equal(exchanges.size, 2)
  for (const subject of ['user:42', 'ip:198.51.100.1', 'ip:198.51.100.0/24']) t.equal(exchanges.closeFor(banOf(subject)), 0)
  gone.close('ban')
  exchanges.closeAll()
  t.equal(closed, 2)
  t.end()
})

t.test('whoever is closed is told why', (t) => {
  const exchanges = createOpenExchanges()
  const told: string[] = []
  for (const user of ['42', '7']) exchanges.add(exchangeOf({ users: [user] }), (why) => { told.push(`${user} ${why}`) })
  exchanges.closeFor(banOf('user:42'))
  exchanges.closeAll()
  t.same(told, ['42 ban', '7 shutdown'])
  t.end()
})

t.test('thousands of bans over thousands of streams cost little', (t) => {
  const { exchanges } = openAll(Array.from({ length: 4000 }, (_, i) => (
    { users: [`u${i}`], address: i % 2 === 0 ? `198.51.${i >> 8}.${i & 255}` : `2001:db8:1::${i.toString(16)}` }
  )))
  const startedAt = performance.now()
  for (let i = 0; i < 2000; i++) {
    for (const subject of [`user:${i}`, `ip:203.0.${i >> 8}.${i & 255}`, `ip:2001:db8:2:${i.toString(16)}::/64`]) {
      exchanges.closeFor(banOf(subject))
    }
  }
  const took = performance.now() - startedAt
  t.comment(`${Math.round(took / 6)} µs a ban`)
  t.ok(took < 6000, `${Math.round(took)} ms`)
  t.equal(exchanges.size, 4000)
  t.end()
})
