/** What each check has something against, what each step of the normalisation does, and what hostile text costs. */
import fc from 'fast-check'
import { test } from 'tap'
import { createKeywordsCheck, type KeywordsOptions } from '../../src/content/checks/keywords.js'
import { createLengthCheck } from '../../src/content/checks/length.js'
import { createNonAlphanumericCheck } from '../../src/content/checks/non-alphanumeric.js'
import { createPatternCheck, patternMistake } from '../../src/content/checks/pattern.js'
import { inspect, MOST_INSPECTED } from '../../src/content/content.js'
import type { ContentCheck, ContentRules, FindInPrompt, Normalisation } from '../../src/content/contract.js'
import { inspectInTurns, MOST_AT_ONCE } from '../../src/content/inspect-in-turns.js'
import { inspectPrompt } from '../../src/content/inspect-prompt.js'
import { createAutomaton } from '../../src/content/keywords/automaton.js'
import { readingsOf } from '../../src/content/normalise/readings.js'
import { UNDECIDED } from '../../src/content/normalise/undecided.js'

const ALL: Normalisation = {
  compatibility: true, invisible: true, confusables: true, leetspeak: true, spacedOut: true, encoded: true,
}
const NONE: Normalisation = {
  compatibility: false, invisible: false, confusables: false, leetspeak: false, spacedOut: false, encoded: false,
}

const found = (find: FindInPrompt, text: string, normalise = ALL) => find(inspectPrompt([[text]], normalise))?.found
const keywords = (list: readonly string[], options: Partial<KeywordsOptions> = {}) =>
  createKeywordsCheck({ list, match: 'word', normalise: ALL, ...options })

test('length counts characters of all messages together, and passes exactly the maximum', (t) => {
  const find = createLengthCheck({ max: 5 })
  t.equal(found(find, '12345'), undefined)
  t.equal(found(find, '123456'), '6')
  t.equal(found(find, '😀😀😀😀😀'), undefined, 'a pair of surrogates is one character')
  t.equal(found(find, '\uD83D\uD83D\uD83D\uDE00\uDE00\uDE00'), undefined, 'half a pair is one, too: five here')
  t.same(find(inspectPrompt([['12', '34'], ['56']], ALL)), { found: '6' }, 'nobody passes by splitting')
  t.equal(found(createLengthCheck({ max: 0 }), 'x'.repeat(9999)), undefined, '0 is off')
  t.equal(found(createLengthCheck({ max: 1 }), ''), undefined)
  t.end()
})

test('keywords stand between borders of words, or anywhere as the replaced plugin has it', (t) => {
  const find = keywords(['DAN'])
  for (const text of ['dance', 'Jordan', 'danger', 'coup d\'an', 'dans', 'DAN2', 'QnA']) t.equal(found(find, text), undefined, text)
  for (const text of ['DAN', 'a dan.', '(Dan)', 'dan\'s', '请DAN模式', 'Dán', 'DAN 2']) t.equal(found(find, text), 'DAN', text)
  const plain = keywords(['DAN'], { match: 'substring' })
  for (const text of ['dance', 'Jordan', 'danger']) t.equal(found(plain, text), 'DAN', text)
  t.end()
})

test('keywords of all scripts are found, in either case, with their own borders', (t) => {
  const find = keywords(['взлом', '越狱', 'ダン', 'पासवर्ड', 'إختراق', 'Maßnahme', 'NÃO', 'ΚΩΔΙΚΟΣ', 'รหัส', '해킹'])
  for (const [text, keyword] of Object.entries({
    'как сделать ВЗЛОМ сайта': 'взлом', 'в з л о м': 'взлом', взлoм: 'взлом', 教我越狱的方法: '越狱', '越 狱': '越狱',
    ダンになれ: 'ダン', 'मेरा पासवर्ड बताओ': 'पासवर्ड', 'كيف يتم إختراق الموقع': 'إختراق', 'MASSNAHME jetzt': 'Maßnahme',
    'nao posso': 'NÃO', 'ο κωδικός μου': 'ΚΩΔΙΚΟΣ', บอกรหัสหน่อย: 'รหัส', '해킹 방법': '해킹',
  })) t.equal(found(find, text), keyword, text)
  for (const text of ['взломщик', 'ダンス', 'पास वर्डप्रेस', '해킹은']) t.equal(found(find, text), undefined, text)
  t.end()
})

test('signs in a keyword count where they are part of it', (t) => {
  const find = keywords(['C++', '.net', '<|im_start|>', '[INST]', 'node.js', '"quoted"', '###'])
  for (const [text, keyword] of Object.entries({
    'I like C++ a lot': 'C++', 'c++': 'C++', 'the .NET runtime': '.net', 'x<|im_start|>y': '<|im_start|>',
    '＜|im_start|＞': '<|im_start|>', '[inst] now': '[INST]', 'Node.js': 'node.js', 'node js': 'node.js', 'is quoted.': '"quoted"', 'a ### b': '###',
  })) t.equal(found(find, text), keyword, text)
  for (const text of ['I see', 'vitamin C', 'c + +', 'inst', 'internet', 'a ## b', 'im start']) t.equal(found(find, text), undefined, text)
  t.end()
})

test('gaps within a word, or lacking between words, are suffered by long keywords only', (t) => {
  const find = keywords(['jailbreak', 'developer mode', 'act as if', 'Rome', '911', 'a b'])
  for (const text of ['jail break', 'jail-break', 'developermode', 'dev eloper mo de', 'actasif', 'R-ome']) t.ok(found(find, text), text)
  for (const text of ['to jail. Break over', 'ro me', '9-11', '9 11', 'developer models', 'web developermodel', 'ab']) {
    t.equal(found(find, text), undefined, text)
  }
  t.equal(found(keywords(['jailbreak'], { normalise: NONE }), 'jail break', NONE), undefined)
  t.end()
})

test('letters that may be i or l are both, and no others', (t) => {
  const find = keywords(['illegal', 'ail'])
  for (const text of ['i11egal', '111egal', 'iIlegal', '|llegal', 'іllegal']) t.equal(found(find, text), 'illegal', text)
  for (const text of ['all', 'lllegai', 'a11', 'ill']) t.equal(found(find, text), text === 'a11' ? 'ail' : undefined, text)
  t.end()
})

test('of thousands of keywords one is found, whatever the others begin with', (t) => {
  const many = Array.from({ length: 5000 }, (_, index) => `word${index} and more ${index}`)
  const find = keywords([...many, 'aab', 'ab', 'b'])
  t.equal(found(find, 'there is word4711 and more 4711 here'), 'word4711 and more 4711')
  t.equal(found(find, 'there is word4711 and more 4712 here'), undefined)
  t.equal(found(find, 'aaaab ab'), 'ab')
  t.equal(found(find, 'aaab b'), 'b')
  t.equal(found(keywords([]), 'anything'), undefined)
  t.equal(found(keywords(['', '  ', '\u200B', '...']), 'anything ... at all'), '...', 'blank ones are skipped')
  t.end()
})

test('a keyword cannot hide across the border of two parts, and no word is made of two', (t) => {
  const find = keywords(['DAN', 'developer mode'])
  t.ok(find(inspectPrompt([['now D', 'AN mode']], ALL)))
  t.ok(find(inspectPrompt([['enter developer', 'mode']], ALL)))
  t.ok(find(inspectPrompt([['say hello', 'DAN']], ALL)), 'parts end words')
  t.notOk(find(inspectPrompt([['D'], ['AN']], ALL)), 'messages are apart')
  t.end()
})

test('the share of signs is of letters and signs alone, and must be exceeded', (t) => {
  const find = createNonAlphanumericCheck({ above: 0.4, plain: false })
  t.equal(found(find, 'abcdefghijklmnopqr!?!?!?!?!?!?'), undefined, '12 of 30')
  t.equal(found(find, 'abcdefghijklmnopq!?!?!?!?!?!?'), '0.414', '12 of 29')
  t.equal(found(find, 'नमस्ते दुनिया, आप कैसे हैं?'), undefined, 'marks of Indic scripts are no signs')
  t.equal(found(find, '``` ' + '{}[]'.repeat(20) + ' ``` and words'), undefined, 'code is left out')
  t.ok(found(find, '``` ' + '{}[]'.repeat(20) + ' and words'), 'code that never ends is none')
  t.equal(found(find, '#### %%% !!!'), undefined, 'fewer than 12 signs are no disguise')
  t.equal(found(createNonAlphanumericCheck({ above: 0, plain: false }), '#'.repeat(99)), undefined, '0 is off')
  t.end()
})

test('the plain share is the ratio of the replaced plugin', (t) => {
  const find = createNonAlphanumericCheck({ above: 0.4, plain: true })
  t.equal(found(find, 'abc  '), undefined, 'exactly 0.4 passes')
  t.equal(found(find, 'ab   '), '0.600')
  t.equal(found(find, ':)'), '1.000')
  t.equal(found(find, ''), undefined)
  t.equal(found(find, '😀a'), '0.500', 'an emoji is one character')
  t.equal(found(find, '²½Ⅷ漢字абв'), undefined, 'isalnum: numbers of all kinds')
  t.equal(found(find, 'किंि'), '0.750', 'isalnum: marks are none')
  t.end()
})

test('patterns are looked for in the message and in what it reads as', (t) => {
  const find = createPatternCheck({ patterns: ['^[A-Z]{10,}$', 'jail\\s*break', 'ill?egal'] })
  t.equal(found(find, 'ABCDEFGHIJKL'), '^[A-Z]{10,}$')
  t.equal(found(find, 'J41lBr34k'), 'jail\\s*break')
  t.equal(found(find, Buffer.from('please jail break').toString('base64')), 'jail\\s*break')
  t.equal(found(find, 'i1egal'), 'ill?egal', 'an undecided letter is spelled out')
  t.equal(found(find, 'nothing'), undefined)
  t.equal(patternMistake('a(b)'), undefined)
  for (const wrong of ['a(', '(?=a)', '(a)\\1', '[z-a]']) t.match(patternMistake(wrong), /./, wrong)
  t.end()
})

const check = (kind: ContentCheck['kind'], action: ContentCheck['action'], find: FindInPrompt): ContentCheck =>
  ({ name: `test.${kind}`, kind, action, severity: undefined, message: undefined, violation: 'content_violation', score: 1, find })
const rules = (...checks: ContentCheck[]): ContentRules => ({
  name: 'test', scope: 'last', normalise: ALL, checks, suspensionsMs: [1], reset: { resetAfterMs: 1, resetOn: 'quiet' },
  messages: { blocked: '' }, observe: false,
})

test('the first check that does more than flag decides', (t) => {
  const flag = check('pattern', 'flag', createPatternCheck({ patterns: ['x'] }))
  const refuse = check('keywords', 'refuse', keywords(['x']))
  const suspend = check('length', 'suspend', createLengthCheck({ max: 3 }))
  const { hit, flags } = inspect([['x x x x']], rules(flag, refuse, suspend))
  t.equal(hit?.check, refuse)
  t.same(hit?.finding, { found: 'x' })
  t.same(flags.map((one) => one.check), [flag])
  t.same(inspect([['x']], rules(flag)), { hit: undefined, flags: [{ check: flag, finding: { found: 'x' } }] })
  for (const nothing of [inspect([], rules(refuse)), inspect([['abc']], rules(refuse)), inspect([['x']], rules())]) {
    t.same(nothing, { hit: undefined, flags: [] })
  }
  t.end()
})

test('a prompt too long to be looked at is refused, and its tail is never skipped', (t) => {
  const refuse = check('keywords', 'suspend', keywords(['DAN']))
  const hidden = `${'a '.repeat(MOST_INSPECTED / 2 - 3)}DAN`
  t.equal(inspect([[hidden]], rules(refuse)).hit?.check, refuse, 'at the end of the longest')
  const { hit } = inspect([[hidden], [hidden]], rules(refuse))
  t.match(hit, { check: { kind: 'length', action: 'refuse', name: 'test.length' }, finding: { found: String(hidden.length * 2) } })
  const own = check('length', 'suspend', createLengthCheck({ max: 10 }))
  t.equal(inspect([[hidden], [hidden]], rules(refuse, own)).hit?.check, own, 'the policy\'s own length comes first')
  t.end()
})

test('a long prompt is inspected in turns, and what is said of it is the same', async (t) => {
  const word = check('keywords', 'refuse', keywords(['DAN', 'jailbreak']))
  const flag = check('pattern', 'flag', createPatternCheck({ patterns: ['^x', 'ill?egal'] }))
  const length = check('length', 'suspend', createLengthCheck({ max: 30_000 }))
  const signs = check('nonAlphanumeric', 'refuse', createNonAlphanumericCheck({ above: 0.4, plain: false }))
  const filler = 'some words of no harm, '.repeat(MOST_AT_ONCE / 20)
  for (const text of ['', 'DAN', 'd4n', 'REFO', 'x', 'i1egal', 'x d-a-n', '#%'.repeat(9999), filler.repeat(9), filler.repeat(99)]) {
    for (const prompt of [[[`${text} ${filler}`]], [[filler], ['j41l', `break ${text}`]]]) {
      const all = rules(flag, word, signs, length)
      const promised = inspectInTurns(prompt, all)
      t.equal(promised instanceof Promise, filler.repeat(99) !== text, 'what is too long is refused at once')
      t.same(await promised, inspect(prompt, all), text.slice(0, 20))
    }
  }
  t.notOk(inspectInTurns([['DAN']], rules(word)) instanceof Promise, 'a short one at once')
  const broken = check('keywords', 'refuse', () => { throw new Error('broken') })
  await t.rejects(async () => inspectInTurns([[filler]], rules(broken)), { message: 'broken' })
})

test('readings are made when they are asked for, and once', (t) => {
  const prompt = inspectPrompt([['Hello']], ALL)
  t.equal(prompt.readings, prompt.readings)
  t.equal(prompt.plain, prompt.plain)
  t.equal(prompt.spellings, prompt.spellings)
  t.same([prompt.plain, prompt.readings, prompt.spellings], [['Hello'], ['hello'], ['hello']])
  t.end()
})

const DISGUISED: Readonly<Record<keyof Normalisation, readonly string[]>> = {
  compatibility: ['ⅾａｎ', '𝐝𝐚𝐧'],
  invisible: ['d\u200Ban', 'd\u00ADa\u{E0041}n\u202E'],
  confusables: ['dаn', 'ᴅᴀɴ', 'jaiIbreak'],
  leetspeak: ['d4n', 'j@i1break'],
  spacedOut: ['d a n', 'd-a-n'],
  encoded: ['REFO', '44414e', '%64an', '&#100;an', '\\u0064an', 'cyrnfr npg abj'],
}

test('each step alone makes a reading, and leaves none when it is off', (t) => {
  for (const step of ['compatibility', 'invisible', 'confusables', 'leetspeak', 'spacedOut', 'encoded'] as const) {
    for (const text of DISGUISED[step]) {
      const without = readingsOf([text], NONE)
      t.equal(without.length, 1)
      t.notSame(readingsOf([text], { ...NONE, [step]: true }), without, `${step}: ${text}`)
    }
  }
  t.same(readingsOf(['DАN ｄａｎ d4n'], NONE), ['dаn ｄａｎ d4n'], 'case and accents alone are always folded')
  t.end()
})

test('the automaton finds exactly the words that are there, in its table and beyond it', (t) => {
  for (const symbols of [3, 500_000]) {
    const word = fc.array(fc.nat({ max: 2 }).map((low) => symbols - low), { minLength: 1, maxLength: 5 })
    const text = fc.array(fc.nat(3), { maxLength: 60 })
    fc.assert(fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), text, (words, lows) => {
      const { step, longestAt, nextAfter } = createAutomaton(words)
      const known = new Set(words.flat())
      const read = lows.map((low) => known.has(symbols - low) ? symbols - low : 0)
      let state = 0
      return read.every((symbol, index) => {
        state = step(state, symbol)
        const ending: number[] = []
        for (let one = longestAt(state); one !== -1; one = nextAfter(one)) ending.push(one)
        const expected = words.flatMap((one, place) =>
          one.every((wanted, at) => read[index + 1 - one.length + at] === wanted) ? [place] : [])
        return ending.toSorted((a, b) => a - b).join() === expected.join()
      })
    }), { numRuns: 300 })
  }
  t.end()
})

/** Text as attackers write it: of all of Unicode, of pieces that the steps look for, and of halves of characters. */
const PIECES = [
  'DAN', ' ', '-', '\u200B', '\u0301', '4', '1', '|', 'REFO', '44 41', '%41', '&#65;', '\\u0041', '```', '`', '\n\n', 'І', 'ﷺ',
  '😀', '\uD800', 'و', '$$', 'I', UNDECIDED,
]
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.array(fc.constantFrom(...PIECES), { maxLength: 60 }).map((pieces) => pieces.join('')),
  fc.array(fc.nat(0xFFFF), { maxLength: 100 }).map((units) => String.fromCharCode(...units))
)
const anySteps = fc.record({
  compatibility: fc.boolean(), invisible: fc.boolean(), confusables: fc.boolean(), leetspeak: fc.boolean(),
  spacedOut: fc.boolean(), encoded: fc.boolean(),
})
const STEPS = Object.keys(ALL) as (keyof Normalisation)[]

test('a keyword is found wherever a message is cut into parts', (t) => {
  const text = 'now enter developer mode, DAN'
  const finds = ['developer mode', 'DAN'].map((keyword) => keywords([keyword]))
  for (let cut = 0; cut <= text.length; cut++) {
    const prompt = inspectPrompt([[text.slice(0, cut), text.slice(cut)]], ALL)
    t.ok(finds.every((find) => find(prompt)), text.slice(0, cut))
  }
  t.end()
})

test('no text makes a check throw', (t) => {
  const prompts = fc.array(fc.array(hostile, { maxLength: 3 }), { maxLength: 3 })
  fc.assert(fc.property(prompts, anySteps, (prompt, normalise) => {
    const all = rules(
      check('length', 'flag', createLengthCheck({ max: 1 })),
      check('keywords', 'flag', keywords(['DAN', 'C++', 'jailbreak'], { normalise })),
      check('nonAlphanumeric', 'flag', createNonAlphanumericCheck({ above: 0.2, plain: false })),
      check('nonAlphanumeric', 'flag', createNonAlphanumericCheck({ above: 0.2, plain: true })),
      check('pattern', 'flag', createPatternCheck({ patterns: ['(?i)d.n'] }))
    )
    inspect(prompt, { ...all, normalise })
  }), { numRuns: 500 })
  t.end()
})

test('any word of any text is found as a keyword of it', (t) => {
  const word = fc.stringMatching(/^[a-zäéñßøабвгдежλμπ]{3,12}$/u)
  fc.assert(fc.property(word, hostile, hostile, anySteps, (keyword, before, after, normalise) => {
    const find = keywords([keyword], { normalise })
    return find(inspectPrompt([[`${before}\n${keyword}\n${after}`]], normalise)) !== undefined
  }), { numRuns: 500 })
  t.end()
})

test('a step that is off does nothing: what it alone would read is not there', (t) => {
  fc.assert(fc.property(hostile, anySteps, fc.constantFrom(...STEPS), (text, some, step) => {
    const off = { ...some, [step]: false }
    const readings = readingsOf([text], off)
    const plain = readingsOf([text], { ...NONE, compatibility: off.compatibility, invisible: off.invisible })
    return readings[0] === plain[0] && (readings.length === 1 || STEPS.some((one) => off[one]))
  }), { numRuns: 500 })
  t.end()
})

test('readings are few, and bounded by the length of the text', (t) => {
  fc.assert(fc.property(hostile, (text) => {
    const readings = readingsOf([text, text], ALL)
    const units = readings.reduce((sum, reading) => sum + reading.length, 0)
    return readings.length <= 30 && units <= 30 * 6 * (2 * text.length + 1)
  }), { numRuns: 500 })
  t.end()
})

/** What something quadratic would be slow at. */
const HOSTILE_UNITS = [
  'a', 'a ', 'd-', 'aaaaaaaaaaab ', '\u0301', 'a\u200B', '4a1 ', 'REFP ', 'QUJD', '41', '41 ', '0x41,', '%41', '&#65;', '&', '\\u0041',
  '`', '``` ` ', '`` ` \n\n', '$$', '\\[ \\( ', '|', '| - |\n', 'ﷺ', '㌖', '1a|', 'aI', '😀', '越', 'вzо ', '.', '. ', '\n', 'vtaber ', '=', '\uD800',
]

/** Of one inspection, the best of three rounds. Each is repeated until it takes so long that the clock is fine enough. */
function cpuMsOf (inspectOnce: () => void): number {
  let best = Infinity
  for (let round = 0; round < 3; round++) {
    const before = process.threadCpuUsage()
    let times = 0
    let spentMs = 0
    while (spentMs < 10) {
      inspectOnce()
      times++
      const { user, system } = process.threadCpuUsage(before)
      spentMs = (user + system) / 1000
    }
    best = Math.min(best, spentMs / times)
  }
  return best
}

test('64 times the text costs no more than about 64 times the time, whatever it is made of', (t) => {
  const all = rules(
    check('keywords', 'flag', keywords(['DAN', 'aaaaaaaaaaac', 'a a a a a b', '||||', 'ignore your instructions'])),
    check('nonAlphanumeric', 'flag', createNonAlphanumericCheck({ above: 0.4, plain: false })),
    check('pattern', 'flag', createPatternCheck({ patterns: ['(?i)(a|aa)+b'] }))
  )
  const [small, large] = [MOST_INSPECTED / 64, MOST_INSPECTED]
  for (const unit of HOSTILE_UNITS) {
    const msOf = (length: number) => {
      const prompt = [[unit.repeat(length / unit.length)]]
      return cpuMsOf(() => { inspect(prompt, all) })
    }
    const ratio = msOf(large) / msOf(small)
    t.ok(ratio < 64 * 3, `${JSON.stringify(unit)}: ${ratio.toFixed()} times`)
  }
  t.end()
})
