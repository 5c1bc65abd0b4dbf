import t from 'tap'
import { chain } from '../../src/chain.js'
import type { ActiveAnswer } from '../../src/concurrency/active.js'
import type { LeaseStore } from '../../src/concurrency/contract.js'
import { createConnection, slowLeases } from '../helpers/slow-stores.js'
import { answerJson, createGate, exchangeOf, finalFrame, leaseMs, memoryLeases, plain, settle, streamed } from './harness.js'

const final = Buffer.from(finalFrame)
const json = { 'content-type': 'application/json' }

t.test('the third message at once is refused with numbers, and booked', async (t) => {
  const gate = createGate()
  for (let sent = 0; sent < 2; sent++) t.equal((await gate.send()).verdict, undefined)
  const { verdict } = await gate.send()
  t.match(verdict, { kind: 'concurrency', rule: 'messages', status: 429, limit: 2, pending: 2, type: 'concurrent' })
  t.strictSame(gate.booked, ['messages'])
  t.equal(await gate.held(), 2)
  t.equal((await gate.send({ user: '43' })).verdict, undefined, 'another user has slots of his own')
})

t.test('the check answers at once when the store does', async (t) => {
  const gate = createGate()
  t.equal(gate.room.check(exchangeOf({ rules: [plain] })), undefined)
  t.match(gate.store.list('user:42', 'answers', gate.now), { records: [{ holder: 'user:42', rule: 'answers' }] })
  gate.room.check(exchangeOf({ rules: [plain] }))
  t.match(gate.room.check(exchangeOf({ rules: [plain] })), { kind: 'concurrency' })
})

t.test('who is not counted passes without a lease: nobody, the spared, and mode off', async (t) => {
  const gate = createGate()
  for (const message of [{ user: undefined }, { skipLimits: true }, { mode: 'off' as const }]) {
    for (let sent = 0; sent < 3; sent++) {
      const { verdict, exchange } = await gate.send(message)
      t.equal(verdict, undefined)
      t.equal(gate.room.observeMessage(exchange), undefined)
    }
  }
})

t.test('slots can be counted by address, by both, or for all', async (t) => {
  for (const [key, other] of [[['ip'], { ip: '203.0.113.10' }], [['ip', 'user'], { user: '7' }]] as const) {
    const gate = createGate()
    const rules = [{ ...plain, key, max: 1 }]
    await gate.send({ rules })
    t.match((await gate.send({ rules })).verdict, { kind: 'concurrency' })
    t.equal((await gate.send({ rules, ...other })).verdict, undefined)
  }
  const gate = createGate()
  const rules = [{ ...plain, key: ['global'] as const, max: 1 }]
  await gate.send({ rules })
  t.match((await gate.send({ rules, user: '7', ip: '203.0.113.10' })).verdict, { kind: 'concurrency' })
})

t.test('a message costs the store one call; a repetition is told by it, and a refusal is booked by the last', async (t) => {
  const connection = createConnection()
  const gate = createGate(slowLeases(memoryLeases(), connection))
  const scores: unknown[] = []
  const cost = async (body?: object) => {
    connection.sent.length = 0
    const { verdict, exchange } = await gate.send({ body })
    if (verdict?.kind === 'concurrency') scores.push(verdict.booking?.after)
    const sent = [...connection.sent]
    if (verdict === undefined) answerJson(gate.room.observeMessage(exchange), { streamId: 's1' })
    await connection.quiet()
    return sent
  }
  t.same(await cost({ clientRequestId: 'c1' }), ['take'])
  t.same(await cost({ clientRequestId: 'c2' }), ['take'], 'however many are in flight')
  t.same(gate.booked, [])
  gate.active = async () => ({ status: 200, body: { activeJobIds: ['s1'] } })
  t.same(await cost({ clientRequestId: 'c3' }), ['take', 'list', 'take'], 'no room: the backend is asked')
  t.same([gate.booked, scores], [['messages'], [1]], 'booked once, though the store was asked twice')
  t.equal(gate.asked.length, 1)
  gate.active = async () => ({ status: 200, body: { activeJobIds: [] } })
  t.same(await cost({ clientRequestId: 'c2' }), ['take', 'list', 'release', 'release', 'take'], 'a name that is in flight')
  t.equal(gate.booked.length, 1)
})

t.test('a store that is away refuses with 503 where the rule says so, and nobody where it only observes', async (t) => {
  const away = { granted: false, held: 0, repeated: false, booking: undefined, unavailable: true }
  const gate = createGate({ ...memoryLeases(), take: async () => away })
  t.match((await gate.send()).verdict, { code: 'STORE_UNAVAILABLE', rule: 'messages', status: 503 })
  t.equal((await gate.send({ mode: 'observe' })).verdict, undefined)
  t.same([gate.booked, gate.asked, gate.errors], [[], [], []])
})

t.test('when the store fails while the backend is asked, it is asked for a slot all the same', async (t) => {
  const gate = createGate({ ...memoryLeases(), list: () => Promise.reject(new Error('away')) })
  for (let sent = 0; sent < 2; sent++) await gate.send()
  t.match((await gate.send()).verdict, { kind: 'concurrency', pending: 2 })
  t.match(gate.errors, [{ message: 'away' }])
})

t.test('instances agree by the store\'s clock, however far their own are apart', async (t) => {
  for (const apart of [-3_600_000, 3_600_000]) {
    const leases = memoryLeases()
    let now = 1_000_000
    const store: LeaseStore = {
      ...leases,
      take: (request) => leases.take({ ...request, now }),
      renew: (lease, leaseMs) => leases.renew(lease, leaseMs, now),
      bind: (binding) => leases.bind({ ...binding, now }),
      list: (holder, rule) => leases.list(holder, rule, now),
    }
    const here = createGate(store)
    const there = createGate({
      ...store,
      // What binds there is known here a moment later than it was made.
      list: async (holder, rule, instant) => {
        const { at, records } = await store.list(holder, rule, instant)
        return { at, records: at > 1_000_010 ? records : [] }
      },
    })
    there.now += apart
    const early = here.open('s1')
    now += 5
    await here.start('s1')
    now += 5
    const late = there.open('s1')
    now += 5
    early.onData?.(final)
    t.equal(await here.held(), 1, 'a stream opened before the message says nothing of it')
    late.onData?.(final)
    await settle()
    t.equal(await here.held(), 0, 'one that was opened after it does')
  }
})

t.test('observe mode records what it would have refused, and the message goes on without a slot', async (t) => {
  for (const message of [{ mode: 'observe' as const }, { rules: [{ ...streamed, observe: true }] }]) {
    const gate = createGate()
    await gate.send(message)
    await gate.send(message)
    const { verdict, exchange } = await gate.send(message)
    t.equal(verdict, undefined)
    t.match(exchange.observed, [{ kind: 'concurrency', pending: 2 }])
    t.equal(gate.room.observeMessage(exchange), undefined)
    t.equal(await gate.held(), 2)
  }
})

t.test('a refusal by a later rule gives back what the earlier ones gave, with either store', async (t) => {
  for (const store of [memoryLeases(), slowLeases(memoryLeases(), createConnection())]) {
    const gate = createGate(store)
    const wide = { ...plain, name: 'wide', max: 3 }
    const narrow = { ...plain, name: 'narrow', max: 1 }
    t.equal((await gate.send({ rules: [wide, narrow] })).verdict, undefined)
    t.match((await gate.send({ rules: [wide, narrow] })).verdict, { rule: 'narrow' })
    await settle()
    t.equal(await gate.held('user:42', 'wide'), 1)
  }
})

t.test('what another check refuses gives its slot back, once, even while it is being taken', async (t) => {
  const gate = createGate(slowLeases(memoryLeases(), createConnection()))
  const exchange = exchangeOf()
  const checking = gate.room.check(exchange)
  gate.room.release(exchange)
  await checking
  await settle()
  t.equal(await gate.held(), 0, 'a slot granted after the release went straight back')
  const { exchange: second } = await gate.send()
  t.equal(await gate.held(), 1)
  gate.room.release(second)
  gate.room.release(second)
  gate.room.release(exchangeOf())
  await settle()
  t.equal(await gate.held(), 0)
  t.equal(gate.room.observeMessage(second), undefined)
})

t.test('a store that fails while a second slot is taken refuses with 503 and keeps none of the first', async (t) => {
  for (const fail of [() => { throw new Error('away') }, () => Promise.reject(new Error('away'))]) {
    const store = memoryLeases()
    const gate = createGate({
      ...store,
      // It took the slot all the same: only the answer is lost.
      take: (request) => request.lease.rule === 'broken' ? chain(store.take(request), fail) : store.take(request),
    })
    const broken = { ...plain, name: 'broken' }
    const { verdict } = await gate.send({ rules: [plain, broken] })
    t.match(verdict, { kind: 'fault', rule: 'broken', code: 'STORE_UNAVAILABLE', status: 503, retryAfterMs: 1000 })
    await settle()
    t.equal(await gate.held('user:42', 'answers'), 0)
    t.equal(await gate.held('user:42', 'broken'), 0)
    t.equal(gate.errors.length, 1)
    const observed = await gate.send({ rules: [plain, { ...broken, observe: true }] })
    t.equal(observed.verdict, undefined, 'who only observes refuses nobody')
    t.equal(await gate.held('user:42', 'answers'), 1)
  }
})

t.test('release: response holds the slot until the answer ends, whatever the end', async (t) => {
  for (const outcome of ['complete', 'aborted', 'failed'] as const) {
    const gate = createGate()
    const { exchange } = await gate.send({ rules: [plain] })
    const observer = gate.room.observeMessage(exchange)
    t.strictSame(observer?.onHead(500, json), { body: true })
    t.equal(await gate.held('user:42', 'answers'), 1)
    observer?.onEnd(outcome)
    t.equal(await gate.held('user:42', 'answers'), 0, outcome)
  }
  const gate = createGate()
  const { exchange } = await gate.send({ rules: [plain] })
  gate.room.observeMessage(exchange)?.onEnd('failed')
  t.equal(await gate.held('user:42', 'answers'), 0, 'no head ever came')
})

t.test('an answer that keeps coming renews its slot, a silent one runs out', async (t) => {
  const gate = createGate()
  const { exchange } = await gate.send({ rules: [plain] })
  const observer = gate.room.observeMessage(exchange)
  observer?.onHead(200, {})
  for (let minute = 0; minute < 20; minute++) {
    gate.now += 60_000
    observer?.onData?.(Buffer.from('.'))
  }
  t.equal(await gate.held('user:42', 'answers'), 1)
  gate.now += leaseMs
  t.equal(await gate.held('user:42', 'answers'), 0)
  observer?.onData?.(Buffer.from('.'))
  t.equal(await gate.held('user:42', 'answers'), 0, 'a lease that is gone stays gone')
})

t.test('renewals are rare: a thousand pieces in a second are none, in ten seconds two', async (t) => {
  const store = memoryLeases()
  let renewals = 0
  const gate = createGate({ ...store, renew: (...args) => { renewals++; return store.renew(...args) } })
  const { exchange } = await gate.send({ rules: [plain] })
  const observer = gate.room.observeMessage(exchange)
  observer?.onHead(200, {})
  for (let piece = 0; piece < 1000; piece++) {
    gate.now += 1
    observer?.onData?.(Buffer.from('.'))
  }
  t.equal(renewals, 0)
  for (let piece = 0; piece < 1000; piece++) {
    gate.now += 10
    observer?.onData?.(Buffer.from('.'))
  }
  t.equal(renewals, 2)
})

t.test('a streamed message keeps its slot when the POST ends, until its final frame', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  t.match(await gate.store.list('user:42', 'messages', gate.now), { at: gate.now, records: [{ stream: 's1' }] })
  const tab = gate.open('s1')
  const secondTab = gate.open('s1')
  t.equal(await gate.held(), 1, 'two tabs are one lease')
  secondTab.onEnd('aborted')
  t.equal(await gate.held(), 1, 'a viewer who leaves frees nothing')
  tab.onData?.(final)
  t.equal(await gate.held(), 0, 'before the stream ends')
  tab.onEnd('complete')
  t.strictSame(gate.errors, [])
})

t.test('answers that start nothing free the slot', async (t) => {
  const answers: [string, number, Record<string, string>, string, 'complete' | 'failed'][] = [
    ['a refusal', 402, json, '{"streamId":"s1"}', 'complete'],
    ['a redirect', 302, json, '', 'complete'],
    ['a backend error', 500, json, '{}', 'complete'],
    ['invalid JSON', 200, json, '{"streamId":"s1"', 'complete'],
    ['an empty answer', 204, {}, '', 'complete'],
    ['no id', 200, json, '{"conversationId":"s1"}', 'complete'],
    ['an id that is no string', 200, json, '{"streamId":42}', 'complete'],
    ['an inherited id', 200, json, '{"__proto__":{"streamId":"s1"}}', 'complete'],
    ['the whole answer as events', 200, { 'content-type': 'text/event-stream' }, 'data: {"streamId":"s1"}\n\n', 'complete'],
    ['a cut answer', 200, json, '{"streamId":', 'failed'],
    ['damaged gzip', 200, { ...json, 'content-encoding': 'gzip' }, 'not gzip', 'complete'],
  ]
  for (const [name, status, headers, body, outcome] of answers) {
    const gate = createGate()
    const { exchange } = await gate.send()
    const observer = gate.room.observeMessage(exchange)
    observer?.onHead(status, headers)
    if (body !== '') observer?.onData?.(Buffer.from(body))
    observer?.onEnd(outcome)
    t.equal(await gate.held(), 0, name)
    t.strictSame(gate.errors, [])
  }
})

t.test('a refusal frees the slot with its head, before its body', async (t) => {
  const gate = createGate()
  const { exchange } = await gate.send()
  t.strictSame(gate.room.observeMessage(exchange)?.onHead(429, json), { body: false })
  t.equal(await gate.held(), 0)
})

t.test('the stream is bound when the announced length has come, before the client can open it', async (t) => {
  const gate = createGate()
  const { exchange } = await gate.send()
  const body = Buffer.from('{"streamId":"s1"}')
  const observer = gate.room.observeMessage(exchange)
  observer?.onHead(200, { ...json, 'content-length': String(body.length) })
  observer?.onData?.(body.subarray(0, 5))
  observer?.onData?.(body.subarray(5))
  gate.open('s1').onData?.(final)
  t.equal(await gate.held(), 0)
  observer?.onEnd('aborted')
  t.equal(await gate.held(), 0)
})

t.test('leaving before the answer came is no way around the limit, and costs a minute at most', async (t) => {
  for (const partial of [undefined, '{"streamId":"s']) {
    const gate = createGate()
    for (let sent = 0; sent < 2; sent++) {
      const observer = gate.room.observeMessage((await gate.send()).exchange)
      if (partial !== undefined) observer?.onHead(200, json)
      if (partial !== undefined) observer?.onData?.(Buffer.from(partial))
      observer?.onEnd('aborted')
    }
    t.match((await gate.send()).verdict, { kind: 'concurrency', pending: 2 })
    gate.now += 60_000
    t.equal((await gate.send()).verdict, undefined)
  }
})

t.test('leaving after a refusal, an answer of events or a whole answer is judged by what came', async (t) => {
  const gate = createGate()
  for (const [status, headers] of [[500, json], [200, { 'content-type': 'Text/Event-Stream;charset=utf-8' }]] as const) {
    const observer = gate.room.observeMessage((await gate.send()).exchange)
    observer?.onHead(status, headers)
    observer?.onEnd('aborted')
    t.equal(await gate.held(), 0)
  }
  const observer = gate.room.observeMessage((await gate.send()).exchange)
  observer?.onHead(200, json)
  observer?.onData?.(Buffer.from('{"streamId":"s1"}'))
  observer?.onEnd('aborted')
  t.match(await gate.store.list('user:42', 'messages', gate.now), { at: gate.now, records: [{ stream: 's1' }] })
})

t.test('an answer that we cannot read frees nothing: the slot runs out', async (t) => {
  const answers: [Record<string, string>, string][] = [
    [json, JSON.stringify({ streamId: 's1', padding: 'x'.repeat(70_000) })],
    [json, JSON.stringify({ streamId: 'x'.repeat(60_000) })],
    [{ ...json, 'content-encoding': 'compress' }, '\x1f\x9d'],
  ]
  for (const [headers, body] of answers) {
    const gate = createGate()
    const observer = gate.room.observeMessage((await gate.send()).exchange)
    observer?.onHead(200, headers)
    observer?.onData?.(Buffer.from(body))
    observer?.onEnd('complete')
    t.equal(await gate.held(), 1)
    gate.now += leaseMs
    t.equal(await gate.held(), 0)
  }
})

t.test('only the own final on a stream opened after the lease frees it', async (t) => {
  const gate = createGate()
  const early = gate.open('s1')
  await gate.start('s1')
  early.onData?.(final)
  t.equal(await gate.held(), 1, 'an old stream replayed frees nothing')
  gate.open('s1', { user: '43' }).onData?.(final)
  t.equal(await gate.held(), 1, 'nor another user\'s stream of that name')
  gate.open('s2').onData?.(final)
  t.equal(await gate.held(), 1, 'nor another stream')
  t.equal(gate.room.observeStream(exchangeOf({ users: ['42', '43'] }), streamed, 's1'), undefined,
    'nor one whose owner is in doubt')
  t.equal(gate.room.observeStream(exchangeOf({ user: undefined }), streamed, 's1'), undefined)
  gate.open('s1').onData?.(final)
  t.equal(await gate.held(), 0)
})

t.test('an early stream in the same millisecond as the lease is still early', async (t) => {
  const gate = createGate()
  const { exchange } = await gate.send()
  const early = gate.open('s1')
  answerJson(gate.room.observeMessage(exchange), { streamId: 's1' })
  const late = gate.open('s1')
  early.onData?.(final)
  t.equal(await gate.held(), 1)
  late.onData?.(final)
  t.equal(await gate.held(), 0)
})

t.test('a second final frees nothing that came later', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  const tab = gate.open('s1')
  tab.onData?.(final)
  await gate.start('s1')
  tab.onData?.(final)
  t.equal(await gate.held(), 1)
})

t.test('a stream that is seen renews its lease; ends, errors of the connection and 404 free nothing', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  const tab = gate.open('s1')
  for (let minute = 0; minute < 20; minute++) {
    gate.now += 60_000
    tab.onData?.(Buffer.from('data: {"text":"still here"}\n\n'))
  }
  tab.onEnd('failed')
  gate.open('s1').onEnd('complete')
  const lost = gate.room.observeStream(exchangeOf(), streamed, 's1')
  t.strictSame(lost?.onHead(404, json), { body: false })
  lost?.onEnd('complete')
  t.equal(await gate.held(), 1)
  gate.now += leaseMs
  t.equal(await gate.held(), 0)
})

t.test('a successful abort frees the stream that it names, if it is the caller\'s and bound before', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  await gate.start('s2')
  const abort = (user: string) => gate.room.observeAbort(exchangeOf({ user }), streamed)
  answerJson(abort('42'), { success: false, streamId: 's1' }, 404)
  answerJson(abort('42'), { aborted: 's1' }, 500)
  answerJson(abort('42'), { aborted: ['s1'] })
  answerJson(abort('43'), { aborted: 's1' })
  t.equal(await gate.held(), 2)
  const overlapping = abort('42')
  answerJson(abort('42'), { success: true, aborted: 's1' })
  t.equal(await gate.held(), 1)
  answerJson(abort('42'), { success: true, aborted: 's1' })
  t.equal(await gate.held(), 1, 'a second abort frees nothing more')
  await gate.start('s1')
  answerJson(overlapping, { success: true, aborted: 's1' })
  t.equal(await gate.held(), 2, 'nor one that was sent before the message')
  t.equal(gate.room.observeAbort(exchangeOf(), plain), undefined)
})

t.test('a policy\'s release rules lead to the stream or the abort; odd spellings lead nowhere', async (t) => {
  const gate = createGate()
  const stream = gate.room.observeRelease({ rule: streamed, on: 'stream', param: 'id' })
  const abort = gate.room.observeRelease({ rule: streamed, on: 'abort', param: undefined })
  const base = '/api/agents/chat/stream'
  await gate.start('s 1')
  for (const [path, id] of [
    [`${base}/x%2f..%2fs%201`, 's%201'], [`${base}/s%201;v=1`, 's%201'], [`${base}//s%201`, 's%201'],
    [`${base}/../stream/s%201`, 's%201'], [`${base}/s%2`, 's%2'], [`${base}/other`, 's%201'], [`${base}/`, ''],
    [`${base}/%73%25201`, 's%201'],
  ] as const) t.equal(stream(exchangeOf({ path, params: { id } })), undefined, path)
  t.equal(stream(exchangeOf({ path: `${base}/s%201` })), undefined, 'the entry has no such parameter')
  const observer = stream(exchangeOf({ path: `${base}/s%201`, params: { id: 's%201' } }))
  observer?.onHead(200, { 'content-type': 'text/event-stream' })
  observer?.onData?.(final)
  t.equal(await gate.held(), 0)
  await gate.start('s1')
  answerJson(abort(exchangeOf()), { aborted: 's1' })
  t.equal(await gate.held(), 0)
})

t.test('when full, the backend is asked once, and only ended streams that were bound before are freed', async (t) => {
  for (const store of [memoryLeases(), slowLeases(memoryLeases(), createConnection())]) {
    const gate = createGate(store)
    await gate.start('s1')
    await gate.start('s2')
    await settle()
    gate.active = async () => ({ status: 200, body: { activeJobIds: ['s2', 'of-elsewhere'] } })
    t.equal((await gate.send()).verdict, undefined)
    t.strictSame(gate.asked, ['/api/agents/chat/active'])
    t.match(await gate.store.list('user:42', 'messages', gate.now), { at: gate.now, records: [{ stream: 's2' }, { stream: undefined }] })
    gate.active = async () => ({ status: 200, body: { activeJobIds: ['s2'] } })
    t.match((await gate.send()).verdict, { kind: 'concurrency', pending: 2 }, 'an unbound lease stays')
    t.equal(gate.asked.length, 2)
  }
})

t.test('a lease that is bound while the backend is being asked stays', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  const { exchange: second } = await gate.send()
  gate.active = async () => {
    answerJson(gate.room.observeMessage(second), { streamId: 's2' })
    return { status: 200, body: { activeJobIds: ['s1'] } }
  }
  t.match((await gate.send()).verdict, { kind: 'concurrency' })
  t.equal(await gate.held(), 2)
})

t.test('anything but a 200 with an array of strings frees nothing', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  await gate.start('s2')
  const answers: (ActiveAnswer | undefined)[] = [
    undefined, { status: 500, body: { activeJobIds: [] } }, { status: 201, body: { activeJobIds: [] } },
    { status: 200, body: undefined }, { status: 200, body: null }, { status: 200, body: [] },
    { status: 200, body: { activeJobIds: null } }, { status: 200, body: { activeJobIds: [1] } },
    { status: 200, body: { activeJobIds: { length: 0 } } }, { status: 200, body: '{"activeJobIds":[]}' },
    { status: 200, body: JSON.parse('{"__proto__":{"activeJobIds":[]}}') },
  ]
  for (const answer of answers) {
    gate.active = async () => answer
    t.match((await gate.send()).verdict, { kind: 'concurrency' }, JSON.stringify(answer))
  }
  gate.active = () => { throw new Error('no connection') }
  t.match((await gate.send()).verdict, { kind: 'concurrency' })
  gate.active = () => Promise.reject(new Error('reset'))
  t.match((await gate.send()).verdict, { kind: 'concurrency' })
  t.equal(gate.booked.length, answers.length + 2)
  t.equal(await gate.held(), 2)
})

t.test('the backend is not asked about slots that are not the caller\'s alone, nor about unbound ones', async (t) => {
  const gate = createGate()
  gate.active = async () => ({ status: 200, body: { activeJobIds: [] } })
  await gate.send()
  await gate.send()
  t.match((await gate.send()).verdict, { kind: 'concurrency' })
  const rules = [{ ...streamed, name: 'shared', key: ['ip'] as const, max: 1 }]
  await gate.start('s1', { rules })
  t.match((await gate.send({ rules, user: '7' })).verdict, { rule: 'shared' })
  await gate.start('s1', { user: '9' })
  await gate.start('s2', { user: '9' })
  t.match((await gate.send({ user: '9', users: ['9', '10'] })).verdict, { kind: 'concurrency' })
  t.strictSame(gate.asked, [])
})

t.test('messages that find no room together share one question', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  await gate.start('s2')
  let answer = (_: ActiveAnswer) => {}
  gate.active = () => new Promise((resolve) => { answer = resolve })
  const waiting = Array.from({ length: 50 }, () => gate.send())
  await settle()
  t.equal(gate.asked.length, 1)
  answer({ status: 200, body: { activeJobIds: ['s2'] } })
  const passed = (await Promise.all(waiting)).filter(({ verdict }) => verdict === undefined)
  t.equal(passed.length, 1)
  t.equal(await gate.held(), 2)
})

t.test('a repetition is refunded only for a stream that its sender holds under the same name', async (t) => {
  for (const store of [memoryLeases(), slowLeases(memoryLeases(), createConnection())]) {
    const gate = createGate(store)
    const body = { clientRequestId: 'c1' }
    await gate.start('s1', { body })
    await settle()
    const again = await gate.start('s1', { body })
    await settle()
    t.strictSame(gate.refunded, [again])
    t.equal(await gate.held(), 1, 'and its slot went back')
    await gate.start('s2', { body })
    await settle()
    t.equal(gate.refunded.length, 1, 'the same name on another stream is a message of its own')
    t.equal(await gate.held(), 2)
    gate.open('s2').onData?.(final)
    await settle()
    await gate.start('s1', { body: { clientRequestId: 'c2' } })
    await settle()
    t.equal(gate.refunded.length, 1, 'so is another name on the same stream')
    await gate.start('s1', { user: '43', body })
    await settle()
    t.equal(gate.refunded.length, 1, 'so is another user\'s')
  }
})

t.test('one name does not make every message free: an ended message that nobody watched is no original', async (t) => {
  const gate = createGate()
  const body = { clientRequestId: 'c1' }
  gate.active = async () => ({ status: 200, body: { activeJobIds: [] } })
  for (let sent = 0; sent < 10; sent++) await gate.start('s1', { body })
  t.strictSame(gate.refunded, [])
  t.equal(gate.asked.length, 9)
  gate.active = async () => ({ status: 200, body: { activeJobIds: ['s1'] } })
  await gate.start('s1', { body })
  t.equal(gate.refunded.length, 1)
  await gate.start('s2', { body: { clientRequestId: 'c2' } })
  t.equal(gate.asked.length, 10, 'another name is not asked about')
  gate.active = async () => ({ status: 200, body: { activeJobIds: ['s1', 's2'] } })
  t.match((await gate.send({ body })).verdict, { kind: 'concurrency' })
  t.equal(gate.asked.length, 11, 'one question is enough for both')
})

t.test('messages without a usable name, and names of ended messages, are never refunded', async (t) => {
  const gate = createGate()
  const names = [undefined, '', 7, null, 'x'.repeat(300), { a: 1 }]
  for (const clientRequestId of names) {
    for (let sent = 0; sent < 2; sent++) await gate.start('s1', { body: { clientRequestId } })
    gate.open('s1').onData?.(final)
    t.equal(await gate.held(), 0)
  }
  for (let sent = 0; sent < 2; sent++) {
    await gate.start('s1', { body: { clientRequestId: 'c1' } })
    gate.open('s1').onData?.(final)
  }
  const { exchange } = await gate.send()
  exchange.body = Buffer.from('{"clientRequestId":')
  answerJson(gate.room.observeMessage(exchange), { streamId: 's1' })
  t.strictSame(gate.refunded, [])
  t.strictSame(gate.errors, [])
})

t.test('a store that fails behind the client\'s back is reported, and nothing throws', async (t) => {
  for (const fail of [() => { throw new Error('away') }, () => Promise.reject(new Error('away'))]) {
    const store = memoryLeases()
    const gate = createGate({ ...store, renew: fail, release: fail, bind: fail })
    await gate.start('s1')
    const { exchange } = await gate.send()
    gate.room.release(exchange)
    await settle()
    t.equal(gate.errors.length, 2)
    const blind = createGate({ ...store, list: fail })
    const tab = blind.open('s1')
    blind.now += 60_000
    tab.onData?.(final)
    tab.onEnd('complete')
    await settle()
    t.match(blind.errors, [{ message: 'away' }, { message: 'away' }])
  }
})

t.test('the leases of a holder can be listed', async (t) => {
  const gate = createGate()
  await gate.start('s1')
  await gate.send({ rules: [plain] })
  t.match(await gate.room.leasesOf('user:42', [streamed, plain]), [{ stream: 's1' }, { rule: 'answers' }])
  t.strictSame(await gate.room.leasesOf('user:7', [streamed, plain]), [])
})
