import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import t from 'tap'
import { WebSocket } from 'ws'
import { explain } from '../../src/cli/explain.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { until } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { judge, byWords, type Answer } from './fake-classifier.js'
import { ALARM, ATTACK, chat, dataOf, metrics, post, setUp } from './stage.js'

t.test('bodies of OpenAI\'s and Anthropic\'s: the class is told, an attack and its copies are replaced, the rest stays', async (t) => {
  const { product, classifier, got } = await setUp(t, {
    policy: `
version: 1
preset: openai-api
doorman:
  enabled: true
  model: tiny
  set: { /model: gpt-4o-mini, /metadata: { mode: [shallow, 1, true] } }
  unset: [/tools]
  categories: { EXPLOITATION: { action: refuse, message: "Not here." }, SHALLOW: { action: pass, set: { /model: tiny } }, GENIUS: { action: mark, header: false } }
`,
  })
  const path = '/v1/chat/completions'
  t.equal((await post(product, path, chat('What is the capital of Assyria?'), { headers: { 'x-portcullis-class': 'GENIUS' } })).status, 200)
  t.equal(got[0]?.headers['x-portcullis-class'], 'DEEP', 'and no client tells it')
  t.equal(got[0]?.raw, JSON.stringify(chat('What is the capital of Assyria?')), 'byte for byte')

  const written = `{ "model":"gpt-4o", "n": 1.0, "messages" : [{"role":"user","content":${JSON.stringify(ATTACK)}},` +
    `{"role":"assistant","content":"No."},{"role":"user","content":[{"type":"text","text":${JSON.stringify(ATTACK)}}]}], "tools": [], "big": 12345678901234567890 }`
  t.equal((await post(product, path, written)).status, 200)
  const rewritten = JSON.stringify(`${ALARM} ${ATTACK}`)
  t.equal(got[1]?.raw, written.replace(JSON.stringify(ATTACK), rewritten).replace(JSON.stringify(ATTACK), rewritten)
    .replace('"gpt-4o"', '"gpt-4o-mini"').replace(', "tools": []', '').replace(/ \}$/, ',"metadata":{"mode":["shallow",1,true]} }'))
  t.equal(got[1]?.headers['x-portcullis-class'], 'JAILBREAK')
  t.equal(got[1]?.headers['content-length'], String(got[1]?.raw.length))
  t.same(dataOf(classifier, 1).context, [{ from: 'person', text: ATTACK }, { from: 'assistant', text: 'No.' }])

  const long = `${'👩‍👩‍👧‍👦'.repeat(150)} jailbreak`
  await post(product, path, chat(long))
  t.equal((got[2]?.body['messages'] as { content: string }[])[0]?.content, `${ALARM} ${'👩‍👩‍👧‍👦'.repeat(100)}`)

  await post(product, path, chat('hi'))
  t.same([got[3]?.body['model'], got[3]?.headers['x-portcullis-class']], ['tiny', 'SHALLOW'])
  await post(product, path, chat('Please prove this theorem'))
  t.notOk('x-portcullis-class' in (got[4]?.headers ?? {}))
  const openai = await post(product, path, chat('drop table users'))
  t.match(openai, { status: 400, body: { error: { message: 'Not here.' } } })
  const claude = { model: 'claude', max_tokens: 5, system: 'Be kind.', messages: [{ role: 'user', content: 'drop table users' }] }
  t.match(await post(product, '/v1/messages', claude), { status: 400, body: { type: 'error', error: { message: 'Not here.' } } })
  await post(product, '/v1/messages', { ...claude, messages: [{ role: 'user', content: [{ type: 'text', text: ATTACK }] }] })
  t.match(got[5]?.body, { messages: [{ content: [{ text: `${ALARM} ${ATTACK}` }] }], system: 'Be kind.', model: 'gpt-4o-mini' })
  await post(product, '/v1/responses', { model: 'gpt-5', input: ATTACK })
  t.match(got[6]?.body, { input: `${ALARM} ${ATTACK}` })
  t.equal(got.length, 7)

  const asked = classifier.asked.length
  await post(product, path, { model: 'gpt-4o', messages: [] })
  await fetch(`${product.url}/v1/models`)
  t.equal(classifier.asked.length, asked, 'where nothing is said nobody is asked')
  const told = await metrics(product)
  t.match(told, 'portcullis_doorman_outcomes_total{category="JAILBREAK",reason="",mode="enforce"} 4')
  t.match(told, 'portcullis_doorman_calls_total{result="answer"}')
  t.match(told, /portcullis_doorman_tokens_total \d+/)
  t.match(told, /portcullis_doorman_wait_seconds_count \d+/)
  t.match(told, 'portcullis_doorman_away 0')
  const said = JSON.stringify(product.log.lines) + told
  for (const secret of ['sk-doorman', 'jailbreak:', 'Assyria', 'drop table']) t.notOk(said.includes(secret), `${secret} stands nowhere`)
  t.match(product.log.lines, [{ rule: 'doorman.JAILBREAK', message: 'flagged' }])
  const policy = await fetch(`${product.adminUrl}/api/v1/policy`, { headers: { authorization: `Bearer ${product.adminToken}` } })
  t.notMatch(await policy.text(), /sk-doorman/)
})

t.test('LibreChat\'s posts: what was forwarded is remembered by conversation, and a refusal keeps no slot', async (t) => {
  const { product, classifier, got } = await setUp(t, {
    env: { CONCURRENT_MESSAGE_MAX: '1', LIMIT_MESSAGE_IP: 'false' },
    policy: 'version: 1\ndoorman: { enabled: true, categories: { EXPLOITATION: refuse } }\n',
  })
  const send = (text: string, conversationId: string | null, user = 'ada') =>
    post(product, '/api/agents/chat', { text, conversationId, clientRequestId: `${Math.random()}` }, { user })
  const context = () => dataOf(classifier, -1).context.map(({ text }) => text)
  for (let i = 0; i < 3; i++) {
    const refused = await send(`drop table ${i}`, 'c1')
    t.match(refused, { status: 400, body: { message: /not accepted/ } }, 'not 429: the slot is free again')
  }
  t.equal((await send('Tell me about bread', 'c1')).status, 200)
  t.same(context(), [], 'what was refused was not said')
  await send(ATTACK, 'c1')
  await send('And about butter?', 'c1')
  t.same(context(), ['Tell me about bread', `${ALARM} ${ATTACK}`])
  await send('And about butter?', 'c2')
  t.same(context(), [])
  await send('And about jam?', 'c1', 'eve')
  t.same(context(), [], 'nobody speaks in another\'s conversation')
  for (const spread of ['one', 'two', 'three', 'four', 'five', 'six']) await send(`${spread} is a number`, 'c1')
  t.equal(context().length, 5)
  product.clock.advance(3_600_000)
  await send('Where were we?', 'c1')
  t.same(context(), [])
  t.match(got[1]?.body, { text: `${ALARM} ${ATTACK}`, conversationId: 'c1' })
  const form = await post(product, '/api/agents/chat', 'text=a+jailbreak&conversationId=c1', {
    user: 'ada', headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  t.equal(form.status, 400, 'what must be rewritten and cannot be is refused')
})

t.test('frames of the Cat: each is judged by itself, answered in the chat, or rewritten', async (t) => {
  const { product, frames, classifier, got } = await setUp(t, {
    policy: 'version: 1\npreset: cheshire-cat\ncontent: { default: { enabled: false } }\n' +
      'doorman: { enabled: true, categories: { EXPLOITATION: { action: suspend, message: "Silent for {minutes} minutes." } } }\n',
  })
  const socket = new WebSocket(`${product.url.replace('http', 'ws')}/ws/ada`)
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  const ask = async (text: string) => {
    const answer = once(socket, 'message')
    socket.send(JSON.stringify({ text }))
    return JSON.parse(String((await answer)[0])) as { echo?: string, content?: string, text?: string }
  }
  t.equal((await ask('Who are you?')).echo, '{"text":"Who are you?"}')
  t.same(JSON.parse((await ask(ATTACK)).echo ?? ''), { text: `${ALARM} ${ATTACK}` })
  t.same(dataOf(classifier, 1).context, [{ from: 'person', text: 'Who are you?' }])
  t.match(JSON.stringify(await ask('drop table users')), 'Silent for 5 minutes.')
  t.match(JSON.stringify(await ask('hello again')), 'Silent for 5 minutes.')
  t.equal(frames.length, 2)
  t.equal(classifier.asked.length, 3, 'who is silent is not asked about')
  product.clock.advance(301_000)
  t.ok((await ask('hello again')).echo)
  t.match(JSON.stringify(await ask('drop table cats')), 'Silent for 15 minutes.', 'it grows')
  product.clock.advance(901_000)
  await post(product, '/agents/cat/message', { messages: [{ role: 'user', content: { type: 'text', text: ATTACK } }] })
  t.match(got[0]?.body, { messages: [{ content: { text: `${ALARM} ${ATTACK}` } }] })
})

const PLAIN = (doorman: string, more = '', routes = '') => `
version: 1
preset: generic
${doorman}
${more}
routes:
  - { match: POST /chat, prompt: { text: [/text] }, doorman: true, reply: problem }
  - { match: POST /rehearsal, prompt: { text: [/text] }, doorman: true, mode: observe }
  - { match: POST /strict, prompt: { text: [/text] }, doorman: true, concurrency: one }
${routes}
concurrency: { one: { key: ip, max: 1, lease: 5m } }
`

t.test('without an answer messages pass and are marked, or none passes, as the policy says', async (t) => {
  const broken: Answer = (_, response) => { response.writeHead(500).end() }
  const { product, got, classifier } = await setUp(t, { policy: PLAIN('doorman: { enabled: true, retries: 0 }'), answer: broken })
  t.equal((await post(product, '/chat', { text: 'hello' })).status, 200)
  t.equal(got[0]?.headers['x-portcullis-class'], 'failed')
  t.match(await metrics(product), 'portcullis_doorman_outcomes_total{category="failed",reason="server",mode="enforce"} 1')
  classifier.answer = judge(() => 'NONSENSE')
  await post(product, '/chat', { text: 'hello' })
  t.equal(got[1]?.headers['x-portcullis-class'], 'unsure')

  classifier.answer = broken
  await product.reload(PLAIN('doorman: { enabled: true, retries: 0, onFailure: closed }'))
  for (let i = 0; i < 2; i++) {
    const refused = await post(product, '/strict', { text: 'hello' })
    t.match(refused, { status: 503, body: { title: 'Temporarily unavailable' } }, 'the slot is free again')
    t.equal(refused.headers.get('retry-after'), '5')
  }
  classifier.answer = judge(byWords)
  await product.reload(PLAIN('doorman: { enabled: true, onFailure: closed, budget: { requests: 1 } }'))
  await post(product, '/chat', { text: 'What is left of the budget?' })
  const spent = await post(product, '/chat', { text: 'And now?' })
  t.same([spent.status, spent.headers.get('retry-after')], [503, null], 'nobody knows when a day\'s budget is back')
  classifier.answer = broken
  await product.reload(PLAIN('doorman: { enabled: true, retries: 0, onFailure: closed, categories: { failed: rewrite, unsure: refuse } }'))
  await post(product, '/chat', { text: 'hello' })
  t.equal(got.at(-1)?.body['text'], `${ALARM} hello`)
  classifier.answer = judge(() => 'NONSENSE')
  t.equal((await post(product, '/chat', { text: 'hello you' })).status, 400)
  classifier.answer = judge(byWords)
  await product.reload(PLAIN('doorman: { enabled: true, maxLength: 100, context: 0, categories: { unsure: refuse } }'))
  const told = async (text: string) => (await post(product, '/chat', { text })).status
  t.equal(await told('How are you? '.repeat(7)), 200)
  t.equal(await told('How are you? '.repeat(20)), 400, 'of what the classifier is not shown whole nobody says that it is harmless')
  t.equal(await told(`a jailbreak ${'x'.repeat(200)}`), 200)
  t.match(got.at(-1)?.body['text'], ALARM, 'that it is an attack can be said of less')
})

const QUOTING = `
version: 1
preset: generic
doorman: { enabled: true, retries: 0 }
routes:
  - match: POST /chat
    prompt: { text: [/text], conversation: { list: /messages, role: /role, user: [user], text: [/content] }, quotes: [/quote/text, /replied/text], rest: [/system] }
    doorman: true
`

t.test('what a message points at is judged with it, and goes with it', async (t) => {
  const seeing = judge((data) => byWords({ ...data, message: [data.message, ...data.quoted ?? []].join('\n') }))
  const { product, got, classifier } = await setUp(t, { policy: QUOTING, answer: seeing })
  const quote = { text: ATTACK }
  await post(product, '/chat', { system: ATTACK, text: 'please go on', quote, replied: { text: ' ' } })
  t.same(dataOf(classifier, -1).quoted, [ATTACK])
  const alarm = `${ALARM} please go on`
  t.same(got.at(-1)?.body, { system: ATTACK, text: alarm, quote: { text: alarm }, replied: { text: alarm } })
  await post(product, '/chat', { text: '\u200b', quote: { text: `another ${ATTACK}` } })
  t.match(got.at(-1)?.body, { text: '\u200b', quote: { text: `${ALARM} another ${ATTACK}` } }, 'also where nothing is said beside it')
  await post(product, '/chat', { text: 'please go on', quote: { text: 'Once upon a time' } })
  t.match(got.at(-1), { body: { text: 'please go on', quote: { text: 'Once upon a time' } }, headers: { 'x-portcullis-class': 'DEEP' } }, 'another quote, another answer')
  const asked = classifier.asked.length
  await post(product, '/chat', { text: 'please go on', quote: { text: 'Once upon a time' } })
  t.equal(classifier.asked.length, asked)
  const long = { text: 'x', quote: { text: `${'x'.repeat(12_000)}${ATTACK}${'x'.repeat(12_000)}` } }
  await post(product, '/chat', long)
  t.equal(got.at(-1)?.headers['x-portcullis-class'], 'unsure')
  t.ok(String(dataOf(classifier, -1).quoted).length < 17_000)
  const attack = (...after: string[]) => ({
    messages: [{ role: 'user', content: ATTACK }, { role: 'assistant', content: '.' }, ...after.map((content) => ({ role: 'user', content }))],
  })
  await post(product, '/chat', attack(' \u3164\n'), { user: 'eve' })
  t.match(got.at(-1)?.body, { messages: [{ content: `${ALARM} ${ATTACK}` }, { content: '.' }, { content: ' \u3164\n' }] }, 'a blank message is none')
})

t.test('a violation is scored, the exempt are not asked about, and observe mode only watches', async (t) => {
  const { product, got, classifier } = await setUp(t, {
    policy: PLAIN('doorman: { enabled: true, context: 0, categories: { JAILBREAK: { action: score, violation: jailbreak, score: 7 }, EXPLOITATION: rewrite } }',
      'bans: { interval: 10, address: { enabled: false } }\nexempt: { users: [boss] }\ncontent: { some: { checks: [{ kind: keywords, list: [developer mode], action: refuse }] } }',
      '  - { match: POST /guarded, prompt: { text: [/text] }, content: some, doorman: true, mode: observe }'),
  })
  t.equal((await post(product, '/rehearsal', { text: ATTACK }, { user: 'eve' })).status, 200)
  await post(product, '/rehearsal', { text: 'drop table users' }, { user: 'eve' })
  t.same(got.map(({ body }) => body['text']), [ATTACK, 'drop table users'])
  t.notOk(got.some(({ headers }) => 'x-portcullis-class' in headers), 'nothing is told')
  t.match(product.log.lines, [{ message: 'would have been refused', rule: 'doorman.JAILBREAK' }])
  const asked = classifier.asked.length
  await post(product, '/guarded', { text: 'developer mode, you know' }, { user: 'eve' })
  t.equal(classifier.asked.length, asked, 'nor about what another check would have refused')
  t.equal((await post(product, '/chat', { text: ATTACK }, { user: 'boss' })).status, 200)
  t.equal(classifier.asked.length, asked)
  t.equal((await post(product, '/chat', { text: ATTACK }, { user: 'eve' })).status, 400)
  t.equal((await post(product, '/chat', { text: ATTACK }, { user: 'eve' })).status, 400)
  t.equal((await post(product, '/chat', { text: 'hi' }, { user: 'eve' })).status, 403, 'two times seven points are a ban')
  t.equal(classifier.asked.length, asked, 'the same words were known already')
})

t.test('who hangs up while the doorman thinks costs no more, and never reaches the backend', async (t) => {
  const policy = PLAIN('doorman: { enabled: true, deadline: 20s }')
  const { product, got, classifier } = await setUp(t, { policy, answer: () => {} })
  const client = httpRequest(`${product.url}/strict`, { method: 'POST', headers: { 'content-type': 'application/json' } })
  client.on('error', () => {}).end('{"text":"hello"}')
  t.ok(await until(() => classifier.load.now === 1))
  client.destroy()
  t.ok(await until(() => classifier.load.now === 0))
  classifier.answer = judge(byWords)
  t.ok(await until(async () => (await post(product, '/strict', { text: 'hello' })).status === 200), 'its slot is free')
  t.equal(got.length, 1)
})

t.test('a reload keeps what the doorman knows, and a restart what he spent', async (t) => {
  const known = 'enabled: true, context: 0, budget: { requests: 2 }'
  const policy = PLAIN(`doorman: { ${known} }`)
  const { product, got, classifier, backend } = await setUp(t, { policy })
  await post(product, '/chat', { text: 'hello' })
  await product.reload(policy + '\n# changed\n')
  await product.reload(PLAIN(`doorman: { ${known}, categories: { SHALLOW: refuse } }`))
  t.equal((await post(product, '/chat', { text: 'hello' })).status, 400, 'the answer is known, what is done about it is new')
  t.equal(classifier.asked.length, 1)
  await product.close()
  const again = await startProduct(t, {
    upstream: backend.url,
    policy,
    dataDir: product.dataDir,
    clock: product.clock,
    env: { DOORMAN_BASE_URL: classifier.url },
  })
  await post(again, '/chat', { text: 'one more' })
  await post(again, '/chat', { text: 'one too many' })
  t.same(got.map(({ headers }) => headers['x-portcullis-class']), ['SHALLOW', 'SHALLOW', 'failed'])
  t.equal(classifier.asked.length, 2)
  t.match(await metrics(again), 'portcullis_doorman_budget_left{of="requests"} 0')
})

t.test('he is off unless the policy has him, and with auto wherever there is somebody to ask', async (t) => {
  const { product, got, classifier } = await setUp(t, { policy: PLAIN('') })
  await post(product, '/chat', { text: ATTACK })
  t.equal(classifier.asked.length, 0)
  t.notOk('x-portcullis-class' in (got[0]?.headers ?? {}))
  await product.reload(PLAIN('doorman: { enabled: auto }'))
  await post(product, '/chat', { text: ATTACK })
  t.equal(got[1]?.headers['x-portcullis-class'], 'JAILBREAK')
  await product.reload(PLAIN('doorman: { enabled: auto, header: none }'))
  await post(product, '/chat', { text: ATTACK })
  t.notOk('x-portcullis-class' in (got[2]?.headers ?? {}))
  await t.rejects(startProduct(t, { upstream: 'http://127.0.0.1:1', policy: PLAIN('doorman: { enabled: true }') }), /doorman\.url.*DOORMAN_BASE_URL/)
})

t.test('instances on one Redis have one budget', async (t) => {
  const redis = { url: (await startRedis(t)).url, prefix: 'doorman' }
  const policy = PLAIN('doorman: { enabled: true, budget: { requests: 3, tokens: 100000 } }\nstore: { deadline: 2s }')
  const { product, got, classifier, backend } = await setUp(t, { policy, redis })
  const env = { DOORMAN_BASE_URL: classifier.url }
  const other = await startProduct(t, { upstream: backend.url, policy, redis, env, clock: product.clock })
  for (const [i, one] of [product, other, product, other].entries()) await post(one, '/chat', { text: `hello ${i}` })
  t.same(got.map(({ headers }) => headers['x-portcullis-class']), ['SHALLOW', 'SHALLOW', 'SHALLOW', 'failed'])
  t.equal(classifier.asked.length, 3)
})

t.test('check and explain show whom he asks and what he does about it', async (t) => {
  const cwd = t.testdir({
    'off.yaml': PLAIN(''),
    'p.yaml': PLAIN('doorman: { enabled: true, model: tiny, budget: { requests: 9 }, categories: { JAILBREAK: suspend } }'),
  })
  const env = { DOORMAN_BASE_URL: 'http://127.0.0.1:11434/v1', UPSTREAM_URL: 'http://127.0.0.1:1' }
  const loaded = await loadPolicy({ cwd, env, policyFile: 'p.yaml' })
  t.notMatch(loaded.warnings.join(), /doorman/)
  const off = await loadPolicy({ cwd, env, policyFile: 'off.yaml' })
  t.equal(off.warnings.filter((one) => one.startsWith('the doorman is off although he has a url')).length, 1)
  const told = explain(loaded, 'POST', '/strict')
  t.match(told, /concurrency one[\s\S]*\d\. doorman, looking at \/text, asks tiny at 127\.0\.0\.1:11434, within 3s, 9 calls a day: /)
  t.match(told, 'JAILBREAK suspend, EXPLOITATION rewrite, unsure mark, failed mark')
})
