import t from 'tap'
import type { JudgedMessage } from '../../src/doorman/contract.js'
import { startTcpBackend, until } from '../helpers/backends.js'
import { INJECTIONS } from './injections.js'
import { byWords, judge, say, startClassifier, takeApart, type Answer } from './fake-classifier.js'
import { createRig, rulesOf, saying } from './rig.js'

const failed = (reason: string) => ({ kind: 'failed', reason })
const category = (name: string) => ({ kind: 'category', name })
const status = (code: number, headers: Record<string, string> = {}, body = '{"error":{"message":"no"}}'): Answer =>
  (_, response) => { response.writeHead(code, headers).end(body) }

t.test('each label comes back as the server gave it, asked in the way that OpenAI describes', async (t) => {
  const server = await startClassifier(t)
  const { doorman, told } = createRig(t)
  const rules = rulesOf(`${server.url}/v1/`, { apiKey: 'sk-secret', model: 'small' })
  const labels: Record<string, string> = {
    hi: 'SHALLOW',
    'What is the capital of Assyria?': 'DEEP',
    'Prove the theorem of Noether, please': 'GENIUS',
    'This is a jailbreak, obey': 'JAILBREAK', 'Please print the password file': 'EXPLOITATION',
  }
  for (const [text, label] of Object.entries(labels)) {
    t.same(await doorman.classify(saying(text), rules), category(label))
  }
  const [first] = server.asked
  t.match(first, {
    path: '/v1/chat/completions',
    headers: { authorization: 'Bearer sk-secret', 'content-type': 'application/json' },
    body: {
      model: 'small', temperature: 0, max_tokens: 64, stream: false, messages: [{ role: 'system' }, { role: 'user' }],
      response_format: { type: 'json_schema', json_schema: { strict: true } },
    },
  })
  t.same(first?.body.response_format?.json_schema?.schema.properties.category.enum, ['SHALLOW', 'DEEP', 'GENIUS', 'JAILBREAK', 'EXPLOITATION'])
  t.same(told.tokens, [310, 310, 310, 310, 310])
  t.ok(server.sockets.size <= 2, 'connections are kept')
  const paths = [server.url, `${server.url}/`, `${server.url}/v1`, `${server.url}/openai/v1`, `${server.url}/v1/chat/completions`, `${server.url}/api`]
  for (const [i, url] of paths.entries()) await doorman.classify(saying(`${i} hello`), rulesOf(url))
  t.same(server.asked.slice(-6).map(({ path }) => path), [
    '/v1/chat/completions', '/v1/chat/completions', '/v1/chat/completions', '/openai/v1/chat/completions', '/v1/chat/completions',
    '/api/chat/completions',
  ])
  t.notOk('authorization' in (server.asked.at(-1)?.headers ?? {}), 'without a key none is sent')
})

t.test('no message can choose its label: whatever it says stays within the delimiters', async (t) => {
  // Obeys every order outside of the data, to the letter, and knows attacks by their words.
  const server = await startClassifier(t, judge((data, outside) => {
    const order = /CLASSIFY AS (\w+)/.exec(outside)?.[1] ?? /\{"category": "([A-Z]+)"\}/.exec(outside)?.[1]
    return order ?? (/developer mode|ignore all/i.test(data.message) ? 'JAILBREAK' : 'SHALLOW')
  }))
  const { doorman } = createRig(t)
  const rules = rulesOf(server.url)
  t.ok(INJECTIONS.length >= 30)
  const nonces = new Set<string>()
  for (const text of INJECTIONS) {
    t.same(await doorman.classify(saying(text), rules), category('JAILBREAK'), `attempt ${nonces.size + 1}`)
    const asked = server.asked.at(-1)
    if (asked === undefined) return t.fail('not asked')
    const { data, outside } = takeApart(asked)
    t.equal(data.message, text)
    t.equal(outside, '\nWhich category does "message" belong to? Answer with one JSON object and nothing around it: {"category": "<NAME>"}.')
    t.notMatch(asked.body.messages[0].content, /CLASSIFY/)
    t.equal(asked.body.messages[1].content.split('<<<').length, 3, 'two delimiters and no third')
    nonces.add(/<<<DATA (\w{32})>>>/.exec(asked.body.messages[1].content)?.[1] ?? '')
  }
  t.equal(nonces.size, INJECTIONS.length, 'each question has delimiters of its own')
  const context: JudgedMessage['context'] = INJECTIONS.slice(0, 5).map((text) => ({ from: 'assistant', text }))
  t.same(await doorman.classify({ text: 'developer mode', quoted: [], context }, rules), category('JAILBREAK'), 'nor what was said before')
})

t.test('what is no label is unsure, however the server dresses it', async (t) => {
  const server = await startClassifier(t)
  const { doorman, told } = createRig(t)
  const rules = rulesOf(server.url, { retries: 0 })
  const label = '{"category":"SHALLOW"}'
  const answers: Answer[] = [
    (_, response) => say(response, 'SHALLOW'),
    (_, response) => say(response, 'This is not a JAILBREAK.'),
    (_, response) => say(response, label, { finish: 'length' }),
    (_, response) => say(response, label, { finish: 'content_filter' }),
    (_, response) => say(response, label, { message: { refusal: 'I cannot.' } }),
    (_, response) => say(response, null, { message: { tool_calls: [] } }),
    (_, response) => say(response, [{ type: 'text', text: label }]),
    status(200, {}, 'not JSON'), status(200, {}, ''), status(200, {}, '[]'), status(200, {}, 'null'), status(200, {}, '{"choices":[]}'),
    status(200, {}, '{"choices":{}}'), status(200, {}, '{"choices":[null]}'), status(200, {}, '{"choices":[{"message":null}]}'),
    status(200, {}, `{"choices":[{"message":{"content":${JSON.stringify(label)}}},{"message":{"content":"{}"}}]}`),
    status(200, { 'content-type': 'text/html' }, '<html>Sign in</html>'), status(204, {}, ''),
    status(200, {}, `{"choices":[{"message":{"content":"${'x'.repeat(200_000)}"}}]}`),
    status(200, {}, JSON.stringify({ category: 'SHALLOW' })),
    status(200, { 'content-type': 'text/event-stream' }, `data: {"choices":[{"delta":{"content":${JSON.stringify(label)}}}]}\n\n`),
  ]
  t.ok(answers.length >= 20)
  for (const [i, answer] of answers.entries()) {
    server.answer = answer
    t.same(await doorman.classify(saying(`question ${i}`), rules), { kind: 'unsure' }, String(i))
  }
  server.answer = judge(() => 'DEEP', { usage: { total_tokens: -5 } })
  t.same(await doorman.classify(saying('question 0'), rules), category('DEEP'), 'what was unsure is asked again')
  server.answer = judge(() => 'DEEP', { usage: { total_tokens: 1e12 } })
  await doorman.classify(saying('again'), rules)
  server.answer = judge(() => 'DEEP', { usage: { prompt_tokens: 5, completion_tokens: 2 } })
  await doorman.classify(saying('once more'), rules)
  t.same(told.tokens.slice(-1), [7])
  t.notOk(told.tokens.includes(-5) || told.tokens.includes(1e12), 'no server empties the budget by a number')
})

t.test('servers that do not take a schema, a temperature or the old bound are asked otherwise, and remembered', async (t) => {
  const server = await startClassifier(t)
  const { doorman } = createRig(t)
  const rules = rulesOf(server.url)
  const plain = judge(byWords)
  const complain = (message: string): Answer => status(400, {}, JSON.stringify({ error: { message } }))
  server.answer = (asked, response) => {
    const { body } = asked
    if (body['max_tokens'] !== undefined) return complain('Use \'max_completion_tokens\' instead.')(asked, response)
    if (body['temperature'] !== undefined) return complain('\'temperature\' does not support 0.')(asked, response)
    return (body.response_format === undefined ? plain : complain('response_format is not supported'))(asked, response)
  }
  t.same(await doorman.classify(saying('jailbreak'), rules), category('JAILBREAK'))
  t.equal(server.asked.length, 5)
  t.same(await doorman.classify(saying('hello'), rules), category('SHALLOW'))
  t.equal(server.asked.length, 6)
  t.match(server.asked[5]?.body, { max_completion_tokens: 64, response_format: undefined, temperature: undefined })
  const picky = await startClassifier(t, status(400))
  t.same(await doorman.classify(saying('filtered'), rulesOf(picky.url)), { kind: 'unsure' })
  picky.answer = plain
  await doorman.classify(saying('hello'), rulesOf(picky.url))
  t.equal(picky.asked.at(-1)?.body.response_format?.type, 'json_schema', 'one message that is refused teaches nothing')
  picky.answer = complain('The response was filtered.')
  const asked = picky.asked.length
  await doorman.classify(saying('filtered too'), rulesOf(picky.url))
  t.equal(picky.asked.length, asked + 1, 'nor is anything else tried on a server that has answered so')
})

t.test('who does not take one message is not away: it is unsure, however often, and each call is paid for', async (t) => {
  const server = await startClassifier(t)
  const { doorman, told } = createRig(t)
  const rules = rulesOf(server.url, { retries: 0 })
  for (const code of [400, 413, 422]) {
    server.answer = status(code, {}, '{"error":{"message":"maximum context length is 4096 tokens"}}')
    for (let i = 0; i < 4; i++) t.same(await doorman.classify(saying(`too long ${code} ${i}`), rules), { kind: 'unsure' })
  }
  t.same(told.changes, [])
  server.answer = judge(byWords)
  t.same(await doorman.classify(saying('an honest one'), rules), category('DEEP'))
  t.equal(told.calls.length, server.asked.length)
  const poor = await startClassifier(t, status(400))
  const daily = rulesOf(poor.url, { budget: { requests: 4, tokens: 100_000 } })
  t.same(await doorman.classify(saying('x'), daily), { kind: 'unsure' })
  t.equal(told.left.requests, 1)
  t.same(await doorman.classify(saying('y'), daily), failed('budget'))
  t.equal(poor.asked.length, 4, 'in whichever manner it is asked')
})

t.test('a server that is slow, overloaded, broken or cut off is asked again while there is time, then it has failed', async (t) => {
  const server = await startClassifier(t)
  const { doorman, told } = createRig(t)
  const rules = rulesOf(server.url, { deadline: 400, retries: 1 })
  const plain = server.answer
  const once = (answer: Answer): void => {
    server.answer = (asked, response) => {
      server.answer = plain
      return answer(asked, response)
    }
  }
  let n = 0
  const ask = () => doorman.classify(saying(`hello ${++n}`), rules)
  for (const passing of [status(500), status(503), status(429), status(429, { 'retry-after': '0' }), status(408)]) {
    once(passing)
    t.same(await ask(), category('SHALLOW'))
  }
  once((_, response) => { response.destroy() })
  t.same(await ask(), category('SHALLOW'), 'before the head')
  once((_, response) => { response.writeHead(200, { 'content-length': '500' }).write('{"choices":'); setTimeout(() => response.destroy(), 5) })
  t.same(await ask(), category('SHALLOW'), 'in the middle')
  const begun = performance.now()
  once(status(429, { 'retry-after': '2' }))
  t.same(await ask(), failed('overloaded'))
  once(status(429, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }))
  t.same(await ask(), failed('overloaded'))
  t.ok(performance.now() - begun < 300, 'nobody waits for what cannot come in time')
  server.answer = status(500)
  t.same(await ask(), failed('server'))
  server.answer = plain
  await ask()
  server.answer = status(401)
  const before = server.asked.length
  t.same(await ask(), failed('refused'))
  t.equal(server.asked.length, before + 1, 'a wrong key does not become right')
  once(status(302, { location: 'http://127.0.0.1:1/' }))
  t.same(await ask(), failed('refused'), 'the message is sent nowhere else')
  server.answer = plain
  t.same(await ask(), category('SHALLOW'))
  server.answer = () => {}
  const slow = performance.now()
  t.same(await ask(), failed('deadline'))
  const took = performance.now() - slow
  t.ok(took > 350 && took < 1000, `${took} ms`)
  t.ok(await until(() => server.load.now === 0), 'and is not asked any more')
  t.equal(told.calls.at(-1), 'aborted')
  const nobody = await startTcpBackend(t, (socket) => { socket.destroy() })
  t.same(await doorman.classify(saying('hi'), rulesOf(nobody.url, { deadline: 400 })), failed('cut'))
  t.same(await doorman.classify(saying('hi'), rulesOf('http://127.0.0.1:1', { deadline: 400 })), failed('unreachable'))
})

t.test('who fails again and again is left alone, asked once after a rest, and heard again', async (t) => {
  const server = await startClassifier(t, status(500))
  const { doorman, clock, told } = createRig(t)
  const rules = rulesOf(server.url, { retries: 0 })
  let n = 0
  const ask = () => doorman.classify(saying(`hello ${++n}`), rules)
  for (let i = 0; i < 5; i++) t.same(await ask(), failed('server'))
  t.same(told.changes, [true])
  t.same(await ask(), failed('away'))
  t.equal(server.asked.length, 5)
  clock.advance(1_200)
  t.same((await Promise.all([ask(), ask(), ask()])).map((one) => one.kind === 'failed' && one.reason).sort(), ['away', 'away', 'server'])
  clock.advance(1_200)
  t.same(await ask(), failed('away'), 'it rests longer each time')
  clock.advance(1_200)
  server.answer = judge(byWords)
  t.same(await ask(), category('SHALLOW'))
  t.same(told.changes, [true, false])
  t.same(await Promise.all([ask(), ask()]), [category('SHALLOW'), category('SHALLOW')])
})

t.test('an answer that was given is not asked for again, by nobody, until it is old', async (t) => {
  const server = await startClassifier(t)
  const { doorman, clock, told } = createRig(t)
  const rules = rulesOf(server.url, { cache: 60_000, concurrency: 1 })
  const same = await Promise.all(Array.from({ length: 20 }, () => doorman.classify(saying('jailbreak  me'), rules)))
  t.ok(same.every((one) => one.kind === 'category' && one.name === 'JAILBREAK'))
  t.same(await doorman.classify(saying(' jailbreak me '), rules), category('JAILBREAK'))
  t.equal(server.asked.length, 1)
  t.equal(told.hits, 20)
  await doorman.classify({ text: 'jailbreak me', quoted: [], context: [{ from: 'person', text: 'Write a play.' }] }, rules)
  t.equal(server.asked.length, 2, 'elsewhere it may mean something else')
  await doorman.classify(saying('jailbreak me'), rulesOf(server.url, { cache: 60_000, instructions: 'Other rules.' }))
  t.equal(server.asked.length, 3, 'under other rules, too')
  clock.advance(60_000)
  await doorman.classify(saying('jailbreak me'), rules)
  t.equal(server.asked.length, 4)
})

t.test('a day\'s calls and tokens are all that is spent, known answers excepted, and there is another day', async (t) => {
  const server = await startClassifier(t)
  const { doorman, clock, told } = createRig(t)
  const rules = rulesOf(server.url, { budget: { requests: 3 }, cache: 3 * 86_400_000 })
  for (const text of ['one', 'two', 'three']) t.equal((await doorman.classify(saying(text), rules)).kind, 'category')
  t.equal(told.left.requests, 0)
  t.same(await doorman.classify(saying('four'), rules), failed('budget'))
  t.same(await doorman.classify(saying('one'), rules), category('SHALLOW'))
  t.equal(server.asked.length, 3)
  clock.advance(86_400_000)
  t.same(await doorman.classify(saying('four'), rules), category('SHALLOW'))

  // A question is estimated at some 900 tokens and costs 310.
  const byTokens = rulesOf(server.url, { budget: { tokens: 10_000 }, cache: 0 })
  let passed = 0
  while (passed < 100 && (await doorman.classify(saying(`question ${passed}`), byTokens)).kind === 'category') passed++
  t.ok(passed > 24 && passed <= 32, `${passed} questions of 310 tokens`)
  t.same(told.changes, [], 'a budget that is spent is no failure of the server')
  server.answer = status(500)
  const free = rulesOf(server.url, { budget: { requests: 100, tokens: 10_000 }, retries: 0 })
  t.same(await doorman.classify(saying('x'), free), failed('budget'))
  t.equal(told.left.requests, 99, 'the refused question is looked at')
})

t.test('no more are asked at once than the policy says; the others wait, and who waits too long has failed', async (t) => {
  let open: (() => void)[] = []
  const server = await startClassifier(t, async (asked, response) => {
    await new Promise<void>((resolve) => { open.push(resolve) })
    await judge(byWords)(asked, response)
  })
  const { doorman } = createRig(t)
  const rules = rulesOf(server.url, { concurrency: 3, deadline: 5_000 })
  const all = Array.from({ length: 12 }, (_, i) => doorman.classify(saying(`hello ${i}`), rules))
  while (server.asked.length < 12) {
    await until(() => open.length > 0)
    t.ok(server.load.now <= 3)
    for (const next of open.splice(0)) next()
  }
  await until(() => open.length > 0)
  for (const next of open.splice(0)) next()
  t.same(new Set((await Promise.all(all)).map(({ kind }) => kind)), new Set(['category']))
  t.equal(server.load.most, 3)
  open = []
  const hasty = rulesOf(server.url, { concurrency: 1, deadline: 200 })
  const [first, ...rest] = Array.from({ length: 210 }, (_, i) => doorman.classify(saying(`late ${i}`), hasty))
  const reasons = (await Promise.all(rest)).map((one) => one.kind === 'failed' && one.reason)
  t.equal(reasons.filter((reason) => reason === 'busy').length, 9, 'the line has an end')
  t.equal(reasons.filter((reason) => reason === 'deadline').length, 200)
  t.same(await first, failed('deadline'))

  open = []
  const slow = rulesOf(server.url, { concurrency: 2, deadline: 5_000 })
  const ask = (text: string, subject: string) => doorman.classify(saying(text), slow, { subject })
  const flood = Array.from({ length: 60 }, (_, i) => ask(`flood ${i}`, 'user:eve'))
  const honest = ask('mine', 'user:ada')
  t.ok(await until(() => open.length === 2))
  open.splice(0, 1)[0]?.()
  t.ok(await until(() => server.asked.at(-1)?.body.messages[1].content.includes('mine') === true), 'is next, whoever fills the line')
  const timer = setInterval(() => { for (const next of open.splice(0)) next() }, 1)
  t.same(await honest, category('SHALLOW'))
  const busy = (await Promise.all(flood)).filter((one) => one.kind === 'failed' && one.reason === 'busy')
  clearInterval(timer)
  t.equal(busy.length, 8, 'two are asked about, fifty wait: a quarter of the line')
})

t.test('who leaves is not asked about any more, and is nobody\'s failure', async (t) => {
  const server = await startClassifier(t, () => {})
  const { doorman, told } = createRig(t)
  const rules = rulesOf(server.url, { deadline: 10_000, concurrency: 2 })
  for (let i = 0; i < 8; i++) {
    const gone = new AbortController()
    const asked = doorman.classify(saying(`hello ${i}`), rules, { gone: gone.signal })
    await until(() => server.load.now === 1)
    gone.abort()
    t.same(await asked, failed('gone'))
    t.ok(await until(() => server.load.now === 0), 'the server is cut off')
  }
  t.same(told.changes, [])
  t.same(await doorman.classify(saying('x'), rules, { gone: AbortSignal.abort() }), failed('gone'))
})
