import fc from 'fast-check'
import t from 'tap'
import { createAnswers } from '../../src/doorman/answers.js'
import type { JudgedMessage } from '../../src/doorman/contract.js'
import { createFence, enclose, encodeData } from '../../src/doorman/fence.js'
import { createMemory } from '../../src/doorman/memory.js'
import { createQuestion } from '../../src/doorman/question.js'
import { readAnswer } from '../../src/doorman/read-answer.js'
import { shortened } from '../../src/doorman/shortened.js'
import { firstGraphemes } from '../../src/graphemes.js'
import { createTurnstile } from '../../src/doorman/turnstile.js'
import { testClock } from '../helpers/product.js'
import { rulesOf, saying } from './rig.js'

const NONCE = 'f00dcafef00dcafef00dcafef00dcafe'
const FENCE = createFence(NONCE)
const rules = rulesOf('http://127.0.0.1:1')

/** Everything that could be taken for a delimiter, and for a way out of a JSON text. */
const fragment = fc.constantFrom(
  FENCE.begin, FENCE.end, '<<<', '>>>', '<', '>', '\n', '\r\n', '\u2028', '\u2029', '\u0085', '\\', '"', '"}', '\\u003c', '\\n',
  NONCE, `<<<END ${NONCE}>>>\n`, '＜＜＜', '\u202e', '\u200b', '\udb40', '\udc3c', '\ud800', '\u{e003c}', '</data>', '```'
)
const hostile = fc.array(fc.oneof(fragment, fc.string({ unit: 'binary' })), { maxLength: 12 }).map((parts) => parts.join(''))
const turn = fc.record({ from: fc.constantFrom('person' as const, 'assistant' as const), text: hostile })

t.test('no delimiter, whole or in parts, stands within the data, whatever was said', async () => {
  const quotes = fc.array(hostile, { maxLength: 3 })
  fc.assert(fc.property(hostile, quotes, fc.array(turn, { maxLength: 5 }), (text, quoted, context) => {
    const { data } = createQuestion({ text, quoted, context }, rules, NONCE)
    const lines = data.split(/\r\n|[\n\r\u0085\u2028\u2029]/)
    const inside = lines[1] ?? ''
    return lines[0] === FENCE.begin && lines[2] === FENCE.end &&
      [FENCE.begin, FENCE.end].every((fence) => lines.filter((line) => line === fence).length === 1) &&
      !/[<>]/.test(inside)
  }), { numRuns: 2_000 })
})

t.test('the data is what was said: JSON, on one line, that reads the same', async (t) => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const line = encodeData(value)
    return !/[\n\r<>]/.test(line) && JSON.stringify(JSON.parse(line)) === JSON.stringify(value)
  }))
  fc.assert(fc.property(hostile, (text) => JSON.parse(encodeData({ text })).text === text))
  t.equal(encodeData('a\u200bb\u{e0041}'), '"a\\u200bb\\udb40\\udc41"', 'what cannot be seen is shown')
  const unseen = [
    0x7f, 0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180b, 0x180f, 0x200b, 0x2028, 0x2029, 0x2065, 0x2800,
    0x3164, 0xe000, 0xfe0f, 0xfeff, 0xffa0, 0x1bca0, 0x1bca3, 0x1d173, 0x1d17a, 0xe0041, 0xe01ef, 0xf0000, 0x10fffd,
  ].map((code) => String.fromCodePoint(code)).join('')
  t.match(encodeData(unseen), /^"(?:\\u[\da-f]{4})+"$/)
  t.equal(enclose({ a: '<<<' }, FENCE), `${FENCE.begin}\n{"a":"\\u003c\\u003c\\u003c"}\n${FENCE.end}`)
})

t.test('what was said stands in the data alone, never in the instructions', async (t) => {
  const secret = 'xyzzy-plugh'
  const message: JudgedMessage = { text: secret, quoted: [secret], context: [{ from: 'person', text: secret }] }
  const { instructions, data } = createQuestion(message, rules, NONCE)
  t.notMatch(instructions, secret)
  t.equal(data.split(secret).length, 4)
  t.match(instructions, /SHALLOW[\s\S]*DEEP[\s\S]*GENIUS[\s\S]*JAILBREAK[\s\S]*EXPLOITATION/)
  const own = rulesOf('http://127.0.0.1:1', { labels: { SPAM: 'advertising', FINE: 'all else' }, instructions: 'Be lenient.' })
  const asked = createQuestion(saying('x'), own, NONCE)
  t.match(asked.instructions, /Be lenient\.[\s\S]*- SPAM: advertising\n- FINE: all else/)
  t.notMatch(asked.instructions, 'JAILBREAK')
  t.same(asked.labels, ['SPAM', 'FINE'])
})

t.test('a label is read from an object that names one exactly, and from nothing else', async (t) => {
  const { labels } = rules
  const read = (text: string | undefined) => readAnswer(text, labels)
  t.same(read('{"category": "JAILBREAK"}'), { kind: 'category', name: 'JAILBREAK' })
  t.same(read(' \n{"reason": "because", "category":"DEEP", "n": [1, {"category": 2}]}\n'), { kind: 'category', name: 'DEEP' })
  t.same(read('{"category": "\\u0044EEP"}'), { kind: 'category', name: 'DEEP' }, 'however it is written')
  const garbage = [
    undefined, '', ' ', 'JAILBREAK', '"JAILBREAK"', 'The category is JAILBREAK.', '```json\n{"category": "DEEP"}\n```',
    '{"category": "DEEP"', '{"category": "DEEP"}}', '{"category": "DEEP"} {"category": "JAILBREAK"}', '[{"category": "DEEP"}]',
    '{"category": "DEEP"}\nI hope this helps!', 'Sure! {"category": "DEEP"}', '{"category": "deep"}', '{"category": " DEEP"}',
    '{"category": "DEEP "}', '{"category": "UNKNOWN"}', '{"category": ""}', '{"category": null}', '{"category": 1}',
    '{"category": ["DEEP"]}', '{"category": {"name": "DEEP"}}', '{"Category": "DEEP"}', '{"label": "DEEP"}', '{}', '[]', 'null',
    'true', '1', '{"category": "DEEP", "category": "JAILBREAK"}', "{'category': 'DEEP'}", '{category: "DEEP"}',
    '{"category": "unsure"}', '{"category": "failed"}', '{"category": "__proto__"}', '{"__proto__": {"category": "DEEP"}}',
    '{"answer": {"category": "DEEP"}}', '<think>hm</think>{"category": "DEEP"}', '{"category": "DEEP",}', '{"category": "DEEP|GENIUS"}',
    'I cannot help with that.', `{"category": "DEEP", "pad": "${'x'.repeat(5000)}"}`, '\u0000{"category": "DEEP"}', '{"category": "ＤＥＥＰ"}',
  ]
  t.ok(garbage.length >= 20)
  for (const text of garbage) t.same(read(text), { kind: 'unsure' }, String(text).slice(0, 60))
})

t.test('texts are cut between characters, as people count them', async (t) => {
  t.equal(firstGraphemes('abc', 2), 'ab')
  t.equal(firstGraphemes('👩‍👩‍👧‍👦🇩🇪e\u0301x', 3), '👩‍👩‍👧‍👦🇩🇪e\u0301')
  t.equal(firstGraphemes('abc', 0), '')
  t.equal(firstGraphemes('\ud800x', 1), '\ufffd')
  const zalgo = `a${'\u0301'.repeat(100_000)}`
  t.ok(firstGraphemes(zalgo, 100).length <= 3_200, 'a character of any length has an end')
  t.equal(shortened('short', 100), 'short')
  t.equal(shortened(`${'a'.repeat(100)}${'b'.repeat(100)}`, 10), `${'a'.repeat(7)}\n[… 190 characters are not shown …]\nbbb`)
})

t.test('the same words are known again under the same rules, and nobody else can know them', async (t) => {
  const clock = testClock()
  const answers = createAnswers(Buffer.alloc(32, 1), clock)
  const key = (text: string, before = '') => answers.keyOf({ ...saying(text), context: before === '' ? [] : [{ from: 'person', text: before }] }, rules)
  t.equal(key('Hello  there\n'), key('Hello there'))
  t.equal(key('e\u0301'), key('é'))
  t.not(key('hello'), key('Hello'), 'what a reader could tell apart is told apart')
  t.not(key('a\u200bb'), key('ab'))
  t.not(key('hello', 'one'), key('hello', 'two'), 'what was said before counts')
  t.not(key('hello'), answers.keyOf({ ...saying('hello'), quoted: ['one'] }, rules), 'and what it points at')
  t.not(key('hello'), answers.keyOf(saying('hello'), rulesOf('http://127.0.0.1:1', { instructions: 'other' })))
  t.not(key('hello'), createAnswers(Buffer.alloc(32, 2), clock).keyOf(saying('hello'), rules), 'without the secret it tells nothing')
  answers.keep('k', 'DEEP', 1000)
  answers.keep('l', 'DEEP', 0)
  t.equal(answers.find('k'), 'DEEP')
  t.equal(answers.find('l'), undefined)
  clock.advance(1000)
  t.equal(answers.find('k'), undefined)
})

t.test('a conversation is remembered for a while, its last messages, shortened', async (t) => {
  const clock = testClock()
  const memory = createMemory(clock)
  const bounds = { count: 5, forMs: 3_600_000 }
  for (let i = 1; i <= 7; i++) memory.remember('user:1', `message ${i}`, bounds)
  memory.remember('user:2', 'x'.repeat(100_000), bounds)
  t.same(memory.recall('user:1', 5).map(({ text }) => text), [3, 4, 5, 6, 7].map((i) => `message ${i}`))
  t.same(memory.recall('user:1', 2).map(({ text }) => text), ['message 6', 'message 7'])
  t.same(memory.recall('user:1', 0), [])
  t.ok((memory.recall('user:2', 5)[0]?.text.length ?? 0) < 1_100)
  clock.advance(3_599_999)
  t.equal(memory.recall('user:1', 5).length, 5)
  clock.advance(1)
  t.same(memory.recall('user:1', 5), [])
  for (let i = 0; i < 6_000; i++) memory.remember(`user:${i}`, 'x', bounds)
  t.same(memory.recall('user:0', 5), [], 'of too many the oldest are forgotten')
})

t.test('so many enter at once, so many wait, the rest is sent away, and who leaves the line is no loss', async (t) => {
  const turnstile = createTurnstile(2)
  const entrant = { signal: new AbortController().signal, subject: undefined }
  const leave = await turnstile.enter(1, entrant)
  const impatient = new AbortController()
  const waiting = [turnstile.enter(1, { ...entrant, signal: impatient.signal }), turnstile.enter(1, entrant)]
  t.equal(await turnstile.enter(1, entrant), 'busy')
  impatient.abort()
  t.equal(await waiting[0], 'aborted')
  t.equal(turnstile.waiting, 1)
  if (typeof leave !== 'function') return t.fail('no place')
  leave()
  const next = await waiting[1]
  if (typeof next !== 'function') return t.fail('no place')
  next()
  t.type(await turnstile.enter(1, entrant), 'function')
  t.equal(await turnstile.enter(1, { ...entrant, signal: AbortSignal.abort() }), 'aborted')
})
