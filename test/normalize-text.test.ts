import t from 'tap'
import { normalizeText } from '../src/normalize-text.js'

t.test('letters are composed as Unicode has it', (t) => {
  t.equal(normalizeText('e\u0301', 'NFC'), '\u00e9')
  t.equal(normalizeText('Ｄ\uFF21Ｎ', 'NFKC'), 'DAN')
  t.end()
})

t.test('marks beyond the thirtieth on one letter are left out, so that it takes no time to put them in order', (t) => {
  const many = `a${'\u0301'.repeat(300_000)}${'\u0316'.repeat(300_000)}b`
  t.ok(normalizeText(many, 'NFC').length <= 32)
  t.equal(normalizeText(`a${'\u0316'.repeat(30)}`, 'NFC').length, 31, 'up to there they stay')
  t.end()
})
