/** Every keyword in every disguise is caught, and what ordinary people write is not: both rates are in docs/content.md. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'tap'
import { createKeywordsCheck } from '../../src/content/checks/keywords.js'
import { createNonAlphanumericCheck } from '../../src/content/checks/non-alphanumeric.js'
import type { Normalisation } from '../../src/content/contract.js'
import { inspectPrompt } from '../../src/content/inspect-prompt.js'
import { DISGUISES } from './corpus/disguises.js'
import { KEYWORDS } from './corpus/keywords.js'

const ALL: Normalisation = {
  compatibility: true, invisible: true, confusables: true, leetspeak: true, spacedOut: true, encoded: true,
}
const NONE: Normalisation = {
  compatibility: false, invisible: false, confusables: false, leetspeak: false, spacedOut: false, encoded: false,
}
const BENIGN = join(import.meta.dirname, 'corpus/benign')

function benignTexts (): { source: string, text: string }[] {
  return readdirSync(BENIGN).sort().flatMap((file) => {
    const separator = file.endsWith('.md') ? '\n%%%%\n' : '\n'
    return readFileSync(join(BENIGN, file), 'utf8').trimEnd().split(separator)
      .map((text) => ({ source: basename(file), text }))
  })
}

const percent = (part: number, whole: number) => `${(100 * part / whole).toFixed(1)} %`

test('every keyword is caught in every disguise, and reported as the policy writes it', (t) => {
  const find = createKeywordsCheck({ list: KEYWORDS, match: 'word', normalise: ALL })
  const cases = Object.entries(DISGUISES).flatMap(([name, disguise]) =>
    KEYWORDS.map((keyword) => ({ name, keyword, found: find(inspectPrompt([disguise(keyword)], ALL))?.found })))
  const caught = cases.filter(({ found, keyword }) => found === keyword)
  t.ok(KEYWORDS.length >= 15 && Object.keys(DISGUISES).length >= 20)
  t.comment(`${KEYWORDS.length} keywords in ${Object.keys(DISGUISES).length} disguises: ` +
    `${caught.length} of ${cases.length} caught (${percent(caught.length, cases.length)})`)
  t.strictSame(cases.filter((one) => !caught.includes(one)), [])
  t.end()
})

test('without normalisation most disguises work, so that it is normalisation that catches them', (t) => {
  const find = createKeywordsCheck({ list: KEYWORDS, match: 'word', normalise: NONE })
  const working = Object.entries(DISGUISES).filter(([, disguise]) =>
    KEYWORDS.every((keyword) => find(inspectPrompt([disguise(keyword)], NONE)) === undefined))
  t.ok(working.length >= 30, `${working.length} of ${Object.keys(DISGUISES).length}`)
  t.end()
})

test('what ordinary people write is not caught', (t) => {
  const texts = benignTexts()
  const sentences = texts.filter(({ source }) => source.endsWith('.txt'))
  t.ok(sentences.length >= 300)
  t.ok(new Set(sentences.map(({ source }) => source)).size >= 12)
  const checks = {
    keywords: createKeywordsCheck({ list: KEYWORDS, match: 'word', normalise: ALL }),
    'signs over 0.4': createNonAlphanumericCheck({ above: 0.4, plain: false }),
  }
  for (const [name, find] of Object.entries(checks)) {
    const caught = texts.flatMap((one) => {
      const finding = find(inspectPrompt([[one.text]], ALL))
      return finding === undefined ? [] : [{ ...one, ...finding }]
    })
    t.comment(`${name}: ${caught.length} of ${texts.length} benign texts caught (${percent(caught.length, texts.length)})`)
    t.strictSame(caught, [], name)
  }
  const known = readFileSync(join(BENIGN, '../known-hits.txt'), 'utf8').trimEnd().split('\n')
  t.ok(known.every((text) => checks.keywords(inspectPrompt([[text]], ALL))?.found === 'DAN'),
    'but for a keyword that is a word of another language')
  const bare = createNonAlphanumericCheck({ above: 0.4, plain: true })
  t.ok(texts.some(({ text }) => bare(inspectPrompt([[text]], ALL)) !== undefined), 'the bare ratio takes some of them')
  t.end()
})
