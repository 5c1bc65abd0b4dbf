/** What it costs to look at a prompt: the best of many rounds in this process, which does nothing else. */
import { Buffer } from 'node:buffer'
import { createKeywordsCheck } from '../dist/content/checks/keywords.js'
import { createLengthCheck } from '../dist/content/checks/length.js'
import { createNonAlphanumericCheck } from '../dist/content/checks/non-alphanumeric.js'
import { createPatternCheck } from '../dist/content/checks/pattern.js'
import { inspect, MOST_INSPECTED } from '../dist/content/content.js'
import { show, table } from './figures.js'

const LENGTH = 2048
const KEYWORDS = 1000
/** The figure is the best of the rounds: whatever else the machine does only adds to it. */
const ROUNDS = 300
const TIMES = 3
const WARM_UP = 300
const STEPS = ['compatibility', 'invisible', 'confusables', 'leetspeak', 'spacedOut', 'encoded']

const ENGLISH = 'Please help me to understand how the event loop works, I have read 3 books about it since 2019. ' +
  'Does JavaScript on GitHub behave the same, and is "await" in a loop a bad idea? '
const PROMPTS = {
  English: ENGLISH,
  German: 'Kannst du mir bitte erklären, wie das Gewächshaus über Nacht geheizt wird, ohne dass es zu heiß wird? ',
  Russian: 'Пожалуйста, объясните мне, как работает цикл событий, я читал о нём в трёх книгах. ',
  Chinese: '请给我解释一下柴油发动机是怎么工作的，明天我们去市场买蔬菜。',
  'a program': 'for (const [key, value] of Object.entries(map)) { if (!seen.has(key)) total += value * 2 }\n',
  'nothing but base64': Buffer.from(ENGLISH.repeat(20)).toString('base64'),
  'spaced-out letters': 'w h a t e v e r   y o u   s a y   i s   f i n e   w i t h   m e ',
  leetspeak: 'wh4t3v3r y0u s4y 15 f1n3 w1th m3, 1 4m n0t 1n 4 hurry ',
}
const HOSTILE = {
  'mixed alphabets': 'вzо ', dashes: 'd-', 'undecided letters': '1a|', 'capital twins': 'aI', escapes: '\\u0041', expanding: '㌖',
}

/** A text as JSON.parse makes them: in one piece. */
const cut = (text, length) => Buffer.from(text.repeat(Math.ceil(length / text.length)).slice(0, length)).toString()
const allBut = (step) => Object.fromEntries(STEPS.map((name) => [name, name !== step]))

/** Prints tables. Always answers 0: nothing here can be answered wrongly. */
export function measureContent (print) {
  const list = makeKeywords()
  const english = [[cut(PROMPTS.English, LENGTH)]]
  const all = rulesFor(list, allBut(undefined))

  print(`\nInspection of ${LENGTH} characters for ${KEYWORDS} keywords, all steps on, µs\n`)
  print(table(['prompt', 'µs'], Object.entries(PROMPTS).map(([name, text]) => {
    const prompt = [[cut(text, LENGTH)]]
    return [name, show(microsecondsOf(() => inspect(prompt, all)), 0)]
  })))

  print('\nEnglish, without one step, and with further checks, µs\n')
  const none = rulesFor(list, Object.fromEntries(STEPS.map((name) => [name, false])))
  print(table(['', 'µs'], [
    ['all steps', show(microsecondsOf(() => inspect(english, all)), 0)],
    ...STEPS.map((step) => [`without ${step}`, show(microsecondsOf(stepless(english, list, step)), 0)]),
    ['no steps', show(microsecondsOf(() => inspect(english, none)), 0)],
    ...furtherChecks().map(([name, find]) => [`${name} alone`, show(microsecondsOf(() => inspect(english, withFind(find))), 1)]),
  ]))

  print(`\nThe longest prompt that is inspected, ${MOST_INSPECTED} characters, ms\n`)
  print(table(['prompt', 'ms'], Object.entries({ English: PROMPTS.English, ...HOSTILE }).map(([name, text]) => {
    const prompt = [[cut(text, MOST_INSPECTED)]]
    return [name, show(best(() => inspect(prompt, all), 3, 1) / 1000, 0)]
  })))
  return 0
}

function stepless (prompt, list, step) {
  const rules = rulesFor(list, allBut(step))
  return () => inspect(prompt, rules)
}

function furtherChecks () {
  return [
    ['length', createLengthCheck({ max: 100_000 })],
    ['nonAlphanumeric', createNonAlphanumericCheck({ above: 0.4, plain: false })],
    ['nonAlphanumeric, plain', createNonAlphanumericCheck({ above: 0.4, plain: true })],
    ['a pattern, with its readings', createPatternCheck({ patterns: ['(?i)ignore (all |your )*(previous )?instructions'] })],
  ]
}

function rulesFor (list, normalise) {
  return { ...withFind(createKeywordsCheck({ list, match: 'word', normalise })), normalise }
}

function withFind (find) {
  const check = { name: 'bench', kind: 'keywords', action: 'refuse', find }
  return { name: 'bench', normalise: allBut(undefined), checks: [check] }
}

/** Phrases of one to three words, of which none is in the prompts, by a generator that always makes the same. */
function makeKeywords () {
  const syllables = ['ba', 'de', 'in', 'str', 'uct', 'ion', 'ro', 'les', 'pre', 'tend', 'mo', 'ig', 'no', 'act', 'li', 'mit', 'qu', 'xo']
  let seed = 1
  const next = (count) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor(seed / 65_536) % count
  }
  const word = () => Array.from({ length: 2 + next(3) }, () => syllables[next(syllables.length)]).join('') + 'zx'
  const keywords = new Set()
  while (keywords.size < KEYWORDS) keywords.add(Array.from({ length: 1 + next(3) }, word).join(' '))
  return [...keywords]
}

function microsecondsOf (run) {
  for (let count = 0; count < WARM_UP; count++) run()
  return best(run, ROUNDS, TIMES)
}

function best (run, rounds, times) {
  let least = Infinity
  for (let round = 0; round < rounds; round++) {
    const before = process.hrtime.bigint()
    for (let count = 0; count < times; count++) run()
    least = Math.min(least, Number(process.hrtime.bigint() - before) / times / 1000)
  }
  return least
}
