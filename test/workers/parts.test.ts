import { createServer, connect, type Socket } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import type { MetricsSnapshot } from '../../src/telemetry/contract.js'
import { createMetrics } from '../../src/telemetry/metrics.js'
import { renderSum, sumOfEnded } from '../../src/telemetry/sum-metrics.js'
import type { ViolationRecord } from '../../src/violations/contract.js'
import { createJournalSender } from '../../src/workers/journal-sender.js'
import { createPublicListener } from '../../src/workers/public-listener.js'
import { createSharedWarnings } from '../../src/workers/shared-warnings.js'
import { until } from '../helpers/backends.js'
import { sampleOf } from './worker-rig.js'

const record = (n: number): ViolationRecord => ({
  v: 1, date: '2026-11-21T12:00:00.000Z', type: 'few', ip: '127.0.0.1', rule: 'few', score: 1, prev_count: n,
  violation_count: n + 1, route: 'GET /few', method: 'GET', requestId: String(n), mode: 'enforce',
})

t.test('records travel to the primary in order and in batches; what it does not take is bounded and counted', async (t) => {
  const batches: ViolationRecord[][] = []
  let dropped = 0
  const journal = createJournalSender({
    maxPending: 1200, send: (records) => { batches.push([...records]) }, onDropped: (count) => { dropped += count },
  })
  for (let n = 0; n < 1205; n++) journal.append(record(n))
  t.equal(dropped, 5)
  t.ok(await until(() => batches.length === 3))
  t.same(batches.map(({ length }) => length), [500, 500, 200])
  t.same(batches.flat().map(({ prev_count: n }) => n), Array.from({ length: 1200 }, (_, n) => n))
  await journal.flush(1)
  t.pass('a primary that does not answer holds up the end only so long')
  journal.kept(700)
  journal.append(record(0))
  t.equal(dropped, 5, 'there is room again')
  let isFlushed = false
  const flushed = journal.flush(60_000).then(() => { isFlushed = true })
  await until(() => batches.length === 4)
  t.notOk(isFlushed)
  journal.kept(501)
  await flushed
  await journal.flush(60_000)
})

t.test('numbers of several processes add up, those that all know do not, and ended ones are remembered', async (t) => {
  const snapshots: MetricsSnapshot[] = []
  for (const count of [1, 2]) {
    const metrics = createMetrics()
    for (let n = 0; n < count; n++) metrics.request({ route: 'a', verdict: 'forwarded', mode: 'enforce' }, 20)
    metrics.storeDegraded('local')
    metrics.storeDeadline()
    metrics.add({
      kind: 'gauge', name: 'portcullis_bans_active', help: 'Bans in force', read: () => count + 4, across: 'max',
    })
    metrics.add({ kind: 'gauge', name: 'portcullis_open_exchanges', help: 'Open', read: () => count })
    metrics.add({ kind: 'counter', name: 'portcullis_resyncs_total', help: 'Resyncs', read: () => count })
    // As it arrives from another process.
    snapshots.push(structuredClone(await metrics.snapshot()))
  }
  const expect = (text: string, samples: Record<string, number>) => {
    for (const [name, value] of Object.entries(samples)) t.equal(sampleOf(text, name), value, name)
  }
  const lasting = {
    'portcullis_requests_total{route="a",verdict="forwarded",mode="enforce"}': 3,
    'portcullis_request_duration_seconds_count{route="a"}': 3,
    'portcullis_request_duration_seconds_bucket{le="0.025",route="a"}': 3,
    'portcullis_store_degraded_total{outcome="local"}': 2,
    portcullis_store_deadline_total: 2,
    portcullis_resyncs_total: 3,
  }
  expect(await renderSum(snapshots), { ...lasting, portcullis_bans_active: 6, portcullis_open_exchanges: 3 })
  const past = await sumOfEnded([await sumOfEnded([[], snapshots[0] ?? []]), snapshots[1] ?? []])
  expect(await renderSum([past]), { ...lasting, portcullis_bans_active: 0, portcullis_open_exchanges: 0 })
})

t.test('what several processes warn of is said once, what one repeats each time', async (t) => {
  let now = 0
  const warnings = createSharedWarnings(() => now)
  const line = (pid: number, more: object = {}) =>
    JSON.stringify({ level: 'warn', time: `t${pid}`, pid, hostname: 'h', ...more, msg: 'the store is away' })
  t.ok(warnings.isNews(line(1), 0))
  t.notOk(warnings.isNews(line(2, { worker: 1, awayMs: 7 }), 1))
  t.notOk(warnings.isNews(line(3, { worker: 2, awayMs: 8 }), 2))
  t.ok(warnings.isNews(line(1), 0))
  t.ok(warnings.isNews(line(2, { worker: 1, subject: 'user:ann' }), 1), 'of somebody else')
  t.ok(warnings.isNews(line(2, { worker: 1, err: { message: 'a', stack: 'x' } }), 1))
  t.notOk(warnings.isNews(line(3, { worker: 2, err: { message: 'a', stack: 'y' } }), 2))
  now = 10_000
  t.ok(warnings.isNews(line(2, { worker: 1 }), 1), 'much later')
})

t.test('connections wait for a worker, within bounds, and are closed when none will come', async (t) => {
  const listener = createPublicListener({ ready: () => [] })
  const url = await listener.listen({ host: '127.0.0.1', port: 0 })
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/)
  const dial = (): Promise<Socket> => new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => resolve(socket)).on('error', () => {})
    t.teardown(() => socket.destroy())
  })
  const clients: Socket[] = []
  // Fewer at once than the kernel queues: what it drops there comes seconds later.
  while (clients.length < 1030) clients.push(...await Promise.all(Array.from({ length: 103 }, dial)))
  t.ok(await until(() => clients.filter(({ closed }) => closed).length === 6, 5000), 'those that are too many are refused')
  await listener.close()
  t.ok(await until(() => clients.every(({ closed }) => closed), 5000))
  const taken = createServer()
  t.teardown(() => taken.close())
  await once(taken.listen(0, '127.0.0.1'), 'listening')
  const { port } = taken.address() as { port: number }
  await t.rejects(createPublicListener({ ready: () => [] }).listen({ host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
})
