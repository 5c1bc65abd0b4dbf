import t from 'tap'
import type { AccountRule } from '../../src/accounts/contract.js'
import { loginEmail } from '../../src/accounts/login-email.js'
import { parseForm } from '../../src/gateway/parse-body.js'
import { exchangeOf } from '../limits/exchanges.js'

const ruleOf = (...email: string[]): AccountRule => ({ email, learnEmail: [], learnId: [] })
const inJson = (json: unknown, rule: AccountRule) => loginEmail({ ...exchangeOf(), json }, rule)

function inForm (text: string, rule: AccountRule): string | undefined {
  const form = parseForm(Buffer.from(text), { 'content-type': 'application/x-www-form-urlencoded' })
  return loginEmail({ ...exchangeOf(), form }, rule)
}

t.test('in JSON the whole pointer is followed, in a form its last part is the field', async (t) => {
  const nested = ruleOf('user', 'email')
  t.equal(inJson({ user: { email: ' Ann@Example.com ' } }, nested), 'ann@example.com')
  t.equal(inJson({ email: 'ann@example.com' }, nested), undefined)
  t.equal(inForm('email=Ann%40Example.com+&password=x', nested), 'ann@example.com')
  t.equal(inForm('user=ann%40example.com', nested), undefined)
  t.equal(inForm('email=ann%40example.com', ruleOf('email')), 'ann@example.com')
})

t.test('what is no single text names nobody', async (t) => {
  const rule = ruleOf('email')
  for (const json of [undefined, null, 'ann@example.com', [], { email: ['a'] }, { email: { $gt: '' } }, { email: ' ' }]) {
    t.equal(inJson(json, rule), undefined, JSON.stringify(json))
  }
  t.equal(inJson({ email: 'x'.repeat(321) }, rule), undefined)
  t.equal(inForm('email=a&email=b', rule), undefined, 'a field that comes twice')
  t.equal(inForm('', rule), undefined)
  t.equal(inForm('a=b', ruleOf()), undefined, 'a pointer to the whole form')
  t.equal(inForm('a=b', ruleOf('x', 'toString')), undefined, 'nothing inherited')
})
