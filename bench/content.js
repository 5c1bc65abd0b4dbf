/** What it costs to look at a prompt: best and median of many rounds in this process, which does nothing else. */
import { Buffer } from 'node:buffer'
import { createKeywordsCheck } from '../dist/content/checks/keywords.js'
import { createLengthCheck } from '../dist/content/checks/length.js'
import { createNonAlphanumericCheck } from '../dist/content/checks/non-alphanumeric.js'
import { createPatternCheck } from '../dist/content/checks/pattern.js'
import { inspect, MOST_INSPECTED } from '../dist/content/content.js'
import { inspectInTurns } from '../dist/content/inspect-in-turns.js'
import { show, table } from './figures.js'

const LENGTH = 2048
const KEYWORDS = 1000
/** The best is what it costs; whatever else the machine does only adds to it. The median is what was promised. */
const ROUNDS = 300
const TIMES = 3
const WARM_UP = 300
/** What the median of a typical prompt may cost. */
const PROMISED_US = 200
const TYPICAL = ['English', 'German', 'Russian', 'Chinese', 'a program']
/** Of the longest prompts. */
const FEW_ROUNDS = 5
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
  'mixed alphabets': 'вzо ',
  dashes: 'd-',
  'undecided letters': '1a|',
  'capital twins': 'aI',
  escapes: '\\u0041',
  expanding: '㌖',
  'everything at once': 'g1v b u v f ab1d fIb|g u!v b-v QUFB \\u0062 ',
}

/** A text as JSON.parse makes them: in one piece. */
const cut = (text, length) => Buffer.from(text.repeat(Math.ceil(length / text.length)).slice(0, length)).toString()
const allBut = (step) => Object.fromEntries(STEPS.map((name) => [name, name !== step]))

/** Prints tables. Answers 1 when a typical prompt costs more than was promised, else 0. */
export async function measureContent (print) {
  const list = makeKeywords()
  const all = rulesFor(list, allBut(undefined))

  const typical = Object.entries(PROMPTS).map(([name, text]) => {
    const prompt = [[cut(text, LENGTH)]]
    return { name, ...microsecondsOf(() => inspect(prompt, all)) }
  })
  print(`\nInspection of ${LENGTH} characters for ${KEYWORDS} keywords, all steps on, µs\n`)
  print(table(['prompt', 'best', 'median'], typical.map(({ name, best, median }) => [name, show(best, 0), show(median, 0)])))
  printSteps(list, all, print)
  await printLongest(all, print)

  const tooSlow = typical.filter(({ name, median }) => TYPICAL.includes(name) && median > PROMISED_US)
  for (const { name, median } of tooSlow) print(`\n${name}: ${show(median, 0)} µs, promised are ${PROMISED_US}`)
  return tooSlow.length === 0 ? 0 : 1
}

function printSteps (list, all, print) {
  const english = [[cut(PROMPTS.English, LENGTH)]]
  const none = rulesFor(list, Object.fromEntries(STEPS.map((name) => [name, false])))
  const row = (name, run, digits) => {
    const { best, median } = microsecondsOf(run)
    return [name, show(best, digits), show(median, digits)]
  }
  print('\nEnglish, without one step, and with further checks, µs\n')
  print(table(['', 'best', 'median'], [
    row('all steps', () => inspect(english, all), 0),
    ...STEPS.map((step) => row(`without ${step}`, stepless(english, list, step), 0)),
    row('no steps', () => inspect(english, none), 0),
    ...furtherChecks().map(([name, find]) => row(`${name} alone`, () => inspect(english, withFind(find)), 1)),
  ]))
}

/** In two parts, which are read apart and together. */
async function printLongest (all, print) {
  const rows = []
  for (const [name, text] of Object.entries({ English: PROMPTS.English, ...HOSTILE })) {
    const half = cut(text, MOST_INSPECTED / 2)
    rows.push([name, ...(await longestTurn(() => inspectInTurns([[half, half]], all))).map((ms) => show(ms, 0))])
  }
  print(`\nThe longest prompt that is inspected, ${MOST_INSPECTED} characters in two parts, best of ${FEW_ROUNDS}, ms\n`)
  print(table(['prompt', 'longest turn', 'in all'], rows))
}

/** Of the best of a few rounds: how long it held up others at once, and how long it took. */
async function longestTurn (run) {
  let [least, leastInAll] = [Infinity, Infinity]
  for (let round = 0; round < FEW_ROUNDS; round++) {
    const startedAt = performance.now()
    let [last, longest, isOver] = [startedAt, 0, false]
    const turn = () => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
      if (!isOver) setImmediate(turn)
    }
    setImmediate(turn)
    await run()
    isOver = true
    turn()
    least = Math.min(least, longest)
    leastInAll = Math.min(leastInAll, last - startedAt)
  }
  return [least, leastInAll]
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
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.hrtime.bigint()
    for (let count = 0; count < TIMES; count++) run()
    return Number(process.hrtime.bigint() - before) / TIMES / 1000
  }).sort((a, b) => a - b)
  return { best: rounds[0], median: rounds[ROUNDS / 2] }
}
