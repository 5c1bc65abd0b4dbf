import t from 'tap'
import { formatMistake } from '../../src/config/mistake.js'
import type { Mistake } from '../../src/config/mistake.js'
import { parseTree } from '../../src/config/parse.js'
import { layPreset } from '../../src/config/preset-layers.js'
import { child, findTree } from '../../src/config/tree.js'
import { createVariables } from '../../src/config/variables.js'

type Shelf = Readonly<Record<string, string>>

function lay (name: string, shelf: Shelf) {
  const mistakes: Mistake[] = []
  const findings = { mistakes, broken: new Set<string>() }
  const variables = createVariables({ env: {}, dotenv: undefined, cwd: '/' })
  const tree = layPreset(name, {
    presets: { names: () => Object.keys(shelf), read: (one) => ({ text: shelf[one] ?? '', file: `${one}.yaml` }) },
    parse: ({ text, file }) => parseTree(text, { ...findings, file, variables }),
    mistakes,
  })
  const textAt = (...path: Array<string | number>) => {
    const found = findTree(tree, path)
    return found.kind === 'scalar' ? found.text : found.kind
  }
  return { tree, textAt, mistakes: mistakes.map(formatMistake) }
}

const base = [
  'identity: [{ from: a }, { from: b }]',
  'limiters: { one: { max: 1, key: ip }, two: { max: 2 } }',
  'routes: [{ match: GET /base }]',
].join('\n')

t.test('a preset lies over the one that it extends as a policy file lies over a preset', async (t) => {
  const upper = [
    'preset: base',
    'identity: [{ from: c }]',
    'limiters: { one: { max: 7 }, three: { max: 3 } }',
    'routes: [{ match: GET /upper }]',
  ].join('\n')
  const { tree, textAt, mistakes } = lay('upper', { base, upper })
  t.strictSame(mistakes, [])
  t.equal(textAt('limiters', 'one', 'max'), '7')
  t.equal(textAt('limiters', 'one', 'key'), 'ip', 'maps merge')
  t.equal(textAt('limiters', 'two', 'max'), '2')
  t.equal(textAt('identity', 0, 'from'), 'c')
  t.equal(child(findTree(tree, ['identity']), 1), undefined, 'lists replace')
  t.equal(textAt('routes', 0, 'match'), 'GET /upper', 'its routes come first')
  t.equal(textAt('routes', 1, 'match'), 'GET /base')
  t.match(findTree(tree, ['routes', 1, 'match']).place, { file: 'base.yaml', line: 3 }, 'and each knows its file')
})

t.test('a preset may extend one that extends another', async (t) => {
  const { textAt, mistakes } = lay('top', { base, middle: 'preset: base\nmode: off', top: 'preset: middle\nreply: problem' })
  t.strictSame(mistakes, [])
  t.strictSame([textAt('reply'), textAt('mode'), textAt('limiters', 'two', 'max')], ['problem', 'off', '2'])
})

t.test('a circle, a name that nobody knows and what is no name are mistakes, and nothing runs for ever', async (t) => {
  t.strictSame(lay('a', { a: 'mode: off\npreset: b', b: 'preset: a', c: '' }).mistakes, [
    'b.yaml:1:9 preset: found a circle (a → b → a), expected one of c',
  ])
  t.strictSame(lay('a', { a: 'preset: a', b: '' }).mistakes, ['a.yaml:1:9 preset: found a circle (a → a), expected one of b'])
  t.strictSame(lay('a', { a: 'preset: basse', base }).mistakes, [
    'a.yaml:1:9 preset: found "basse", expected one of base, did you mean "base"?',
  ])
  for (const odd of ['[base]', '{ base: 1 }', '__proto__']) {
    const { mistakes, textAt } = lay('a', { a: `mode: off\npreset: ${odd}`, base })
    t.equal(mistakes.length, 1, odd)
    t.equal(textAt('mode'), 'off', 'it stands alone')
  }
})
