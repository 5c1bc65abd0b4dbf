import { Writable } from 'node:stream'
import t from 'tap'
import { createHealth } from '../../src/telemetry/health.js'
import { createLogger, cutTarget } from '../../src/telemetry/logger.js'
import { createMetrics } from '../../src/telemetry/metrics.js'

function sink () {
  let text = ''
  const destination = new Writable({
    write (chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      done()
    },
  })
  return { destination, text: () => text, lines: () => text.trim().split('\n').map((line) => JSON.parse(line)) }
}

t.test('log lines are JSON with level, instant and message', async (t) => {
  const { destination, lines } = sink()
  const log = createLogger({ destination })
  log.info({ bans: 3 }, 'bans loaded')
  log.error({ err: new Error('disk full') }, 'failed')
  const [first, second] = lines()
  t.match(first, { level: 'info', bans: 3, msg: 'bans loaded', time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ })
  t.match(second, { level: 'error', err: { message: 'disk full', stack: /Error/ } })
})

t.test('no line tells a secret, a cookie, a query or a prompt', async (t) => {
  const { destination, text } = sink()
  const log = createLogger({ destination, level: 'trace' })
  const headers = {
    authorization: 'Bearer s3cret',
    cookie: 'refreshToken=s3cret',
    'set-cookie': ['s3cret'],
    'x-api-key': 's3cret',
    'proxy-authorization': 's3cret',
    'user-agent': 'kept',
  }
  log.info({ headers }, 'nested once')
  log.info({ req: { headers, body: { text: 's3cret' } } }, 'nested twice')
  log.info({ ...headers, token: 's3cret', password: 's3cret', secret: 's3cret', text: 's3cret', prompt: 's3cret' }, 'flat')
  log.info({ url: '/ws?token=s3cret', target: '/a/b?x=s3cret#s3cret' }, 'targets')
  log.info({ url: { odd: 's3cret' } }, 'odd')
  t.notMatch(text(), /s3cret/)
  t.match(text(), /kept/)
  t.match(text(), '/a/b?[redacted]')
  t.equal(cutTarget('/plain'), '/plain')
  t.equal(cutTarget(`/${'x'.repeat(20_000)}?q`).length, 2048 + '?[redacted]'.length)
})

t.test('at a terminal, lines are for people', async (t) => {
  const { destination, text } = sink()
  createLogger({ destination, pretty: true }).info({ authorization: 's3cret' }, 'listening')
  await new Promise((resolve) => setImmediate(resolve))
  t.match(text(), /INFO.*listening/)
  t.notMatch(text(), /s3cret/)
})

t.test('metrics tell requests, violations, streams, faults and bans, in base units', async (t) => {
  const metrics = createMetrics({ processMetrics: false })
  metrics.request({ route: 'POST /api/agents/chat/:endpoint', verdict: 'limit', mode: 'enforce' }, 250)
  metrics.request({ route: 'unmatched', verdict: 'forwarded', mode: 'enforce' }, 20)
  metrics.violation('message_limit')
  metrics.banPlaced('auto')
  metrics.upstreamFault('UPSTREAM_TIMEOUT')
  metrics.journalDropped(4)
  let bans = 1
  metrics.add({ kind: 'gauge', name: 'portcullis_bans', help: 'Bans in force', read: () => bans })
  bans = 7
  const text = await metrics.render()
  t.match(metrics.contentType, /^text\/plain/)
  for (const line of [
    'portcullis_requests_total{route="POST /api/agents/chat/:endpoint",verdict="limit",mode="enforce"} 1',
    'portcullis_request_duration_seconds_sum{route="POST /api/agents/chat/:endpoint"} 0.25',
    'portcullis_violations_total{type="message_limit"} 1',
    'portcullis_bans_placed_total{source="auto"} 1',
    'portcullis_upstream_faults_total{code="UPSTREAM_TIMEOUT"} 1',
    'portcullis_journal_dropped_total 4',
    'portcullis_bans 7',
  ]) t.ok(text.includes(`\n${line}\n`), line)
  t.notMatch(await createMetrics({ processMetrics: false }).render(), /unmatched/, 'a registry of its own')
  t.match(await createMetrics().render(), /process_cpu_seconds_total/)
})

t.test('health is the worst of its checks, and a check that hangs or throws has failed', async (t) => {
  const health = createHealth({ timeoutMs: 20 })
  t.same(await health.report(), { ready: true, status: 'ready', checks: {} })
  health.register('store', () => ({ status: 'ok' }))
  health.register('journal', async () => ({ status: 'degraded', reason: 'writes are behind' }))
  t.match(await health.report(), { ready: true, status: 'degraded', checks: { journal: { reason: 'writes are behind' } } })
  health.register('hung', () => new Promise(() => {}))
  health.register('broken', () => { throw new Error('redis://user:s3cret@host') })
  const report = await health.report()
  t.match(report, { ready: false, status: 'not ready', checks: { hung: { status: 'failed' }, broken: { status: 'failed' } } })
  t.notMatch(JSON.stringify(report), /s3cret/)
})
