import fc from 'fast-check'
import t from 'tap'
import { evaluate } from '../../src/config/arithmetic.js'
import { interpolate } from '../../src/config/interpolate.js'
import { readScalar } from '../../src/config/scalars.js'
import type { Rule } from '../../src/config/scalars.js'

const literal = (value: string | number | boolean) => ({ value, text: String(value), loose: false })

t.test('arithmetic follows the usual rules, with units where they belong', async (t) => {
  const outcomes: ReadonlyArray<readonly [string, boolean, number | undefined]> = [
    ['1000 * 60 * 60 * 2', false, 7_200_000],
    ['2 + 3 * 4 - 10 / 4 % 2', false, 13.5],
    ['-(2 - 5) * +.5', false, 1.5],
    ['2h', true, 7_200_000],
    ['1h30m', true, 5_400_000],
    ['2 * 90s', true, 180_000],
    ['1.5 days', true, 129_600_000],
    ['2h', false, undefined],
    ['2 horas', true, undefined],
    ['1h 30', true, undefined],
    ['', true, undefined],
    ['1 +', false, undefined],
    ['(1', false, undefined],
    ['1)', false, undefined],
    ['1 / 0', false, undefined],
    ['2 ** 3', false, undefined],
    ['process.exit()', true, undefined],
    ['constructor', true, undefined],
    [`${'('.repeat(10_000)}1`, false, undefined],
  ]
  for (const [text, withUnits, outcome] of outcomes) t.equal(evaluate(text, withUnits), outcome, text.slice(0, 40))
})

t.test('a sum of products is what JavaScript makes of it', async () => {
  const product = fc.array(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 4 })
  fc.assert(fc.property(fc.array(product, { minLength: 1, maxLength: 5 }), (sum) => {
    const text = sum.map((factors) => `(${factors.join(' * ')})`).join(' + ')
    const value = sum.reduce((total, factors) => total + factors.reduce((a, b) => a * b, 1), 0)
    return evaluate(text, false) === value
  }))
})

t.test('each kind takes what it is for and nothing else', async (t) => {
  const readings: ReadonlyArray<readonly [Rule, string | number | boolean, unknown]> = [
    [{ kind: 'size' }, '3MiB', 3_145_728],
    [{ kind: 'size' }, '64 KB', 64_000],
    [{ kind: 'size' }, 12, 12],
    [{ kind: 'size' }, -1, undefined],
    [{ kind: 'size' }, '3XB', undefined],
    [{ kind: 'duration' }, 1500, undefined],
    [{ kind: 'duration' }, 0, 0],
    [{ kind: 'duration' }, '90d', 7_776_000_000],
    [{ kind: 'duration' }, '999999d', undefined],
    [{ kind: 'duration', minimum: 1 }, 0, undefined],
    [{ kind: 'count', maximum: 5 }, 6, undefined],
    [{ kind: 'count' }, 1e300, undefined],
    [{ kind: 'count' }, true, undefined],
    [{ kind: 'number' }, 0.5, 0.5],
    [{ kind: 'number' }, -0.5, undefined],
    [{ kind: 'number' }, NaN, undefined],
    [{ kind: 'switch' }, 'TRUE', true],
    [{ kind: 'switch' }, 1, undefined],
    [{ kind: 'list' }, ' a, ,b ', ['a', 'b']],
    [{ kind: 'list' }, 2, ['2']],
    [{ kind: 'text' }, 5, undefined],
    [{ kind: 'secret' }, 12345, '12345'],
    [{ kind: 'pattern' }, '^sk-', '^sk-'],
    [{ kind: 'choice', values: ['off', 'on'] }, false, undefined],
    [{ kind: 'choice', values: ['off', 'on'] }, 'OFF', 'off'],
  ]
  for (const [rule, raw, value] of readings) {
    const reading = readScalar(rule, literal(raw))
    t.strictSame('value' in reading ? reading.value : undefined, value, `${rule.kind} ${String(raw)}`)
  }
})

t.test('whatever stands in a placeholder, filling it in ends and never throws', async () => {
  const piece = fc.constantFrom('${', '}', ':-', 'A', 'B', '$', '$${', ' ', '-')
  fc.assert(fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
    const filled = interpolate(pieces.join(''), (name) => name === 'A' ? { text: 'x' } : undefined)
    return ['text', 'absent', 'malformed'].includes(filled.outcome)
  }), { numRuns: 500 })
})
