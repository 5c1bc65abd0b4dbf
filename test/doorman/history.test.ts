import { request as httpRequest } from 'node:http'
import t from 'tap'
import { until } from '../helpers/backends.js'
import { startProduct, type Product } from '../helpers/product.js'
import { byWords, judge, type Answer } from './fake-classifier.js'
import { ALARM, ATTACK, chat, dataOf, metrics, post, setUp, type Body, type Got } from './stage.js'

const REWRITTEN = `${ALARM} ${ATTACK}`
const AWAY: Answer = (_, response) => { response.writeHead(500).end() }
const LIST = 'conversation: { list: /messages, role: /role, user: [user], text: [/content] }'

const policy = (doorman: string, more = '') => `
version: 1
preset: generic
doorman: { enabled: true, retries: 0, ${doorman} }
${more}
routes:
  - { match: POST /chat, prompt: { ${LIST}, quotes: [/quote/text], rest: [/system] }, doorman: true }
  - { match: POST /text, prompt: { text: [/text], quotes: [/quote/text] }, doorman: true }
  - { match: POST /open, prompt: { ${LIST} } }
  - { match: POST /rehearsal, prompt: { ${LIST} }, doorman: true, mode: observe }
`

/** Everything else stays byte for byte. */
const inPlace = (written: string, from = ATTACK, to = REWRITTEN) =>
  written.replaceAll(JSON.stringify(from), JSON.stringify(to))

function textsOf (got: Got | undefined): unknown[] {
  return (got?.body['messages'] as { content: unknown }[]).map(({ content }) => content)
}

const say = (product: Product, ...contents: string[]) => post(product, '/chat', chat(...contents), { user: 'ada' })

t.test('OpenAI and Anthropic: what was rewritten comes back as history and stays rewritten, byte for byte', async (t) => {
  const { product, classifier, got } = await setUp(t, {
    policy: 'version: 1\npreset: openai-api\ndoorman: { enabled: true, context: 5, budget: { requests: 5 } }\n',
  })
  const key = (name: string) => ({ headers: { authorization: `Bearer sk-${name}` } })
  const path = '/v1/chat/completions'
  for (const name of ['ada', 'eve']) await post(product, path, chat('What is bread?'), key(name))
  await post(product, path, chat(ATTACK), key('ada'))
  t.same(textsOf(got.at(-1)), [REWRITTEN])

  const later = `{ "model":"gpt-4o", "n": 1.0, "messages" : [ {"role":"user","content": ${JSON.stringify(ATTACK)} },\n` +
    '{"role":"assistant","content":"N\\u006f."},{"role":"user","content":"Thank you, and good night"}], "big": 12345678901234567890 }'
  t.equal((await post(product, path, later, key('ada'))).status, 200)
  t.equal(got.at(-1)?.raw, inPlace(later))
  t.equal(got.at(-1)?.headers['content-length'], String(inPlace(later).length))
  t.equal(got.at(-1)?.headers['x-portcullis-class'], 'DEEP', 'what is told is what is said now')
  t.same(dataOf(classifier, -1).context, [{ from: 'person', text: REWRITTEN }, { from: 'assistant', text: 'No.' }])

  await post(product, path, later, key('eve'))
  t.equal(got.at(-1)?.raw, later, 'another\'s words are another\'s')
  await post(product, path, later, key('ada'))
  t.equal(got.at(-1)?.raw, inPlace(later), 'with an answer that is known already')
  const parts = (...texts: string[]) => [...texts.map((text) => ({ type: 'text', text })), { type: 'image', source: {} }]
  const claude = {
    ...{ model: 'claude', max_tokens: 5, system: 'Be kind.' },
    messages: [{ role: 'user', content: parts(` ${ATTACK}\n`) }, { role: 'assistant', content: 'No.' }, { role: 'user', content: parts('Thank you') }],
  }
  await post(product, '/v1/messages', claude, key('ada'))
  t.equal(got.at(-1)?.raw, inPlace(JSON.stringify(claude), ` ${ATTACK}\n`), 'in another form too, whatever white space is around it')
  t.equal(classifier.asked.length, 5)
  await post(product, path, later.replace('good night', 'good morning'), key('ada'))
  t.match(got.at(-1), { raw: inPlace(later).replace('good night', 'good morning'), headers: { 'x-portcullis-class': 'failed' } }, 'over budget')
  const before = chat(ATTACK, 'No.', ATTACK)
  await post(product, path, before, key('ada'))
  t.same(textsOf(got.at(-1)), [REWRITTEN, 'No.', REWRITTEN], 'nor is it forgotten when it is said again and nobody can be asked')
  t.equal(classifier.asked.length, 5)
  t.notMatch(JSON.stringify(product.log.lines) + await metrics(product), 'jailbreak:')
})

t.test('agents of the Cat: the same in messages with parts', async (t) => {
  const { product, got } = await setUp(t, {
    policy: 'version: 1\npreset: cheshire-cat\ncontent: { default: { enabled: false } }\ndoorman: { enabled: true }\n',
  })
  const said = (text: string, role = 'user') => ({ role, content: { type: 'text', text } })
  await post(product, '/agents/cat/message', { messages: [said(ATTACK)] })
  const later = JSON.stringify({ messages: [said(ATTACK), said('No.', 'assistant'), said('Who are you?')], metadata: { n: [1, 2] } }, undefined, 1)
  await post(product, '/agents/cat/message', later)
  t.equal(got.at(-1)?.raw, inPlace(later))
})

t.test('every answer to the newest message leaves history rewritten, the classifier\'s absence too', async (t) => {
  const { product, classifier, got } = await setUp(t, { policy: policy('cache: 0') })
  await say(product, ATTACK)
  for (const answer of [judge(byWords), judge(() => 'NONSENSE'), AWAY]) {
    classifier.answer = answer
    await say(product, ATTACK, 'No.', 'Please prove this theorem')
    t.same(textsOf(got.at(-1)), [REWRITTEN, 'No.', 'Please prove this theorem'])
  }
  await say(product, ATTACK)
  t.same(textsOf(got.at(-1)), [REWRITTEN], 'what cannot be judged is what it was')
  classifier.answer = judge(byWords)
  await say(product, ATTACK, 'No.', 'Another jailbreak')
  t.same(textsOf(got.at(-1)), [REWRITTEN, 'No.', `${ALARM} Another jailbreak`])
  await post(product, '/chat', { messages: [{ role: 'user', content: ATTACK }, { role: 'user', content: 'hello' }] }, { user: 'ada' })
  t.equal(textsOf(got.at(-1)).length, 1, 'messages in a row are judged as one')
  classifier.answer = AWAY
  await post(product, '/chat', { messages: [{ role: 'user', content: ATTACK }, { role: 'user', content: 'hello you' }] }, { user: 'ada' })
  t.same(textsOf(got.at(-1)), [REWRITTEN, 'hello you'], 'the one that nobody has answered is history as well')
  const quiet = { system: ATTACK, quote: { text: ATTACK }, messages: [{ role: 'assistant', content: `${ATTACK} ` }] }
  await post(product, '/chat', quiet, { user: 'ada' })
  t.match(got.at(-1)?.body, { ...quiet, quote: { text: REWRITTEN } }, 'in quotes too, where nothing is said now, and never in what others say')
  for (const changed of [ATTACK.toUpperCase(), ATTACK.replace(' is ', '  is '), `> ${ATTACK}`]) {
    await say(product, changed, 'No.', 'hello')
    t.same(textsOf(got.at(-1)), [changed, 'No.', 'hello'], 'known is what was written, no likeness of it')
  }
  await post(product, '/open', chat(ATTACK, 'No.', 'hello'), { user: 'ada' })
  await post(product, '/rehearsal', chat(ATTACK, 'No.', 'hello'), { user: 'ada' })
  t.same(got.slice(-2).map(textsOf), [[ATTACK, 'No.', 'hello'], [ATTACK, 'No.', 'hello']], 'not where no doorman is, nor where he only watches')
})

t.test('what was said in several parts or messages is known as a whole, its copies each by themselves', async (t) => {
  const { product, classifier, got } = await setUp(t, { policy: policy('context: 0') })
  const user = (content: unknown) => ({ role: 'user', content })
  const part = (text: string) => ({ type: 'text', text })
  const image = { type: 'image_url', image_url: { url: 'data:' } }
  const first = [user([part('Hello'), image]), user([part('a jailbreak'), part('please')])]
  await post(product, '/chat', { quote: { text: '> Hello\n> a jailbreak\n> please' }, messages: first }, { user: 'ada' })
  const now = [{ role: 'assistant', content: 'No.' }, user('Good night, my dear')]
  const rewritten = user([part(`${ALARM} Hello\na jailbreak\nplease`), image])
  t.same(got.at(-1)?.body['messages'], [rewritten])
  classifier.answer = AWAY
  await post(product, '/chat', { messages: [...first, ...now] }, { user: 'ada' })
  t.same(got.at(-1)?.body['messages'], [rewritten, ...now])
  const apart = [user('Hello'), { role: 'assistant', content: 'please' }, ...now]
  await post(product, '/chat', { messages: apart }, { user: 'ada' })
  t.same(got.at(-1)?.body['messages'], apart, 'a part that stands elsewhere was never refused')

  classifier.answer = judge(byWords)
  const quoted = `You said: ${ATTACK}`
  await say(product, quoted, 'No.', ATTACK)
  t.same(textsOf(got.at(-1)), [REWRITTEN, 'No.', REWRITTEN])
  await say(product, quoted, 'No.', ATTACK, 'No!', 'Good night')
  t.same(textsOf(got.at(-1)), [REWRITTEN, 'No.', REWRITTEN, 'No!', 'Good night'], 'copies come back as they were too')
})

t.test('the scope says whose words are looked at, and with last the message itself stays what it became', async (t) => {
  const { product, got } = await setUp(t, { policy: policy('scope: last') })
  const wanted: Readonly<Record<string, unknown[]>> = {
    last: [ATTACK, REWRITTEN, 'No.', 'hello'], history: [ATTACK, REWRITTEN, 'No.', 'hello'], all: [ATTACK, REWRITTEN, 'No.', 'hello'],
  }
  for (const [scope, texts] of Object.entries(wanted)) {
    await product.reload(policy(`scope: ${scope}`))
    await post(product, '/chat', { system: ATTACK, ...chat(ATTACK) }, { user: scope })
    t.same([got.at(-1)?.body['system'], ...textsOf(got.at(-1))], texts.slice(0, 2))
    await post(product, '/chat', { system: ATTACK, ...chat(ATTACK, 'No.', 'hello') }, { user: scope })
    t.same([got.at(-1)?.body['system'], ...textsOf(got.at(-1))], texts)
  }
  await post(product, '/text', { text: 'What does he mean?', quote: { text: ATTACK } }, { user: 'all' })
  t.match(got.at(-1)?.body, { text: 'What does he mean?', quote: { text: REWRITTEN } }, 'quotes')
})

t.test('it holds as long as it comes back, under the same rules, for one subject, in one process', async (t) => {
  const hour = 'rememberRewritten: 1h'
  const { product, classifier, got, backend } = await setUp(t, { policy: policy(hour) })
  const later = [ATTACK, 'No.', 'hello'] as const
  const isHeld = async (asked: Body | undefined = chat(...later), user: string | undefined = 'ada') => {
    await post(product, '/chat', asked, { user })
    return textsOf(got.at(-1))[0] === REWRITTEN
  }
  await say(product, ATTACK)
  for (let i = 0; i < 3; i++) {
    product.clock.advance(3_000_000)
    t.ok(await isHeld(), 'a conversation that goes on is not forgotten in the middle')
  }
  t.notOk(await isHeld(undefined, 'eve'))
  product.clock.advance(3_600_000)
  t.notOk(await isHeld())

  await say(product, ATTACK)
  for (const other of ['alarm: "Beware!"', 'categories: { JAILBREAK: mark }', 'instructions: "Be strict."', 'model: other']) {
    await product.reload(policy(`${hour}, ${other}`))
    t.notOk(await isHeld(), other)
  }
  await product.reload(policy(`${hour}, mode: observe, context: 0`))
  t.notOk(await isHeld(), 'nothing is done in observe mode')
  t.notOk(await isHeld({ messages: [{ role: 'assistant', content: ATTACK }] }), 'nor where nothing is said')
  await product.reload(policy(`${hour}, context: 0`))
  t.ok(await isHeld())
  classifier.answer = judge(() => 'DEEP')
  await product.reload(policy(`${hour}, context: 0, cache: 0`))
  t.equal(textsOf((await post(product, '/chat', chat(ATTACK), { user: 'ada' }), got.at(-1)))[0], REWRITTEN, 'its answer is known')
  product.clock.advance(660_000)
  await say(product, ATTACK)
  t.notOk(await isHeld(), 'the latest judgement of the same words holds')

  await product.reload(policy(hour))
  classifier.answer = judge(byWords)
  await say(product, 'a jailbreak of another')
  const grown = Array.from({ length: 5_000 }, (_, i) => i === 2000 ? 'a jailbreak of another' : `${i} `.padEnd(500, 'and so on '))
  t.equal((await say(product, ...grown, 'hello')).status, 200)
  const sent = JSON.stringify(chat(...grown, 'hello'))
  t.ok(got.at(-1)?.raw === inPlace(sent, grown[2000], `${ALARM} ${grown[2000]}`), 'however long it grows')

  const other = await startProduct(t, {
    upstream: backend.url, policy: policy(''), clock: product.clock, env: { DOORMAN_BASE_URL: classifier.url },
  })
  await product.reload(policy(''))
  await say(product, 'a jailbreak')
  await post(other, '/chat', chat('a jailbreak', 'No.', 'hello'), { user: 'ada' })
  t.equal(textsOf(got.at(-1))[0], 'a jailbreak')
})

const GROUPS = `
version: 1
preset: generic
doorman: { enabled: true, deadline: 20s, categories: { EXPLOITATION: refuse } }
limiters: { budget: { unit: tokens, key: global, max: 1000, window: 1h, reserve: { maxTokens: 100 } } }
identity:
  - { from: "header:x-user", trustedPeers: [127.0.0.0/8], group: "body:/group" }
routes:
  - { match: POST /text, prompt: { text: [/text], quotes: [/quote/text] }, doorman: true, limit: [budget] }
`

t.test('where several entries look at one body, one class is told: that of what was rewritten, else the first', async (t) => {
  const { product, got, classifier } = await setUp(t, {
    policy: `
version: 1
preset: generic
doorman: { enabled: true, retries: 0, context: 0, onFailure: closed, categories: { EXPLOITATION: refuse, unsure: pass } }
routes:
  - { match: POST /a/b, prompt: { text: [/text] }, doorman: true }
  - { match: POST /A/B, prompt: { text: [/more] }, doorman: true }
`,
  })
  const told = async (text: string, more: string) => {
    const before = got.length
    const { status } = await post(product, '/A/b', { text, more })
    return got.length === before ? status : got.at(-1)?.headers['x-portcullis-class']
  }
  t.equal(await told('hi', 'Please prove this theorem'), 'SHALLOW')
  t.equal(await told('Please prove this theorem', ATTACK), 'JAILBREAK')
  t.match(got.at(-1)?.body, { text: 'Please prove this theorem', more: REWRITTEN })
  t.equal(await told(ATTACK, 'hi'), 'JAILBREAK')
  t.equal(await told('', 'hi'), 'SHALLOW')
  t.equal(await told('', ''), undefined)
  t.equal(await told(ATTACK, 'drop table users'), 400, 'one that refuses is enough')
  classifier.answer = judge(() => 'NONSENSE')
  t.equal(await told('hi', 'what is this?'), 'SHALLOW')
  t.equal(await told('what is this?', 'hi'), 'unsure')
  classifier.answer = AWAY
  t.equal(await told('hi', 'and that?'), 503)
})

t.test('in a group others answer what was rewritten, and whoever gets no answer gets his tokens back', async (t) => {
  const { product, got, classifier } = await setUp(t, { policy: GROUPS })
  const tell = (user: string, group: string, text: string, quote = '') =>
    post(product, '/text', { group, text, quote: { text: quote } }, { headers: { 'x-user': user } })
  await tell('ada', 'friends', ATTACK)
  t.equal(got.at(-1)?.body['text'], REWRITTEN)
  await tell('eve', 'friends', 'What does she mean?', ATTACK)
  t.match(got.at(-1)?.body, { quote: { text: REWRITTEN } })
  await tell('eve', 'others', 'What does she mean?', ATTACK)
  t.match(got.at(-1)?.body, { quote: { text: ATTACK } })
  await tell('ada', 'others', 'What do I mean?', ATTACK)
  t.match(got.at(-1)?.body, { quote: { text: REWRITTEN } }, 'her own words follow her')
  for (let i = 0; i < 20; i++) t.equal((await tell('eve', 'others', `drop table ${i}`)).status, 400, 'not 429')
  classifier.answer = () => {}
  for (let i = 0; i < 10; i++) {
    const asked = classifier.asked.length
    const client = httpRequest(`${product.url}/text`, { method: 'POST', headers: { 'content-type': 'application/json' } })
    client.on('error', () => {}).end(`{"text":"a question of which nobody hears the answer, number ${i}"}`)
    t.ok(await until(() => classifier.asked.length > asked))
    client.destroy()
    t.ok(await until(() => classifier.load.now === 0))
  }
  classifier.answer = judge(byWords)
  t.equal((await tell('eve', 'others', 'What is bread?')).status, 200)
})
