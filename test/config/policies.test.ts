import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import Schema from 'typebox/schema'
import t from 'tap'
import { parse } from 'yaml'
import { ConfigErrors, presetNames } from '../../src/config/config.js'
import { decode } from '../../src/config/decode.js'
import { policyJsonSchema, policyJsonSchemaText } from '../../src/config/json-schema.js'
import { parseTree } from '../../src/config/parse.js'
import { packageRoot, readDefaults } from '../../src/config/presets.js'
import { PolicyFile } from '../../src/config/schema.js'
import { createVariables } from '../../src/config/variables.js'
import { compilePolicy } from '../../src/policy/compile.js'
import { loadPolicy } from '../../src/policy/load-policy.js'

const root = packageRoot()
const policies = join(root, 'test', 'policies')
const isPolicy = (file: string) => file.endsWith('.yaml')
const bad = readdirSync(join(policies, 'bad')).filter(isPolicy)
const good = readdirSync(join(policies, 'good')).filter(isPolicy)

t.test('every bad policy is told exactly what is wrong with it', async (t) => {
  const env = { BANANAS: 'many', JWT_SECRET: 'open-sesame' }
  t.ok(bad.length > 20)
  for (const file of bad) {
    const cwd = join(policies, 'bad')
    const error = await loadPolicy({ cwd, env, policyFile: file }).then(() => undefined, (error: unknown) => error)
    if (!(error instanceof ConfigErrors)) return t.fail(`${file} was accepted`, { error })
    t.equal(`${error.message}\n`, readFileSync(join(cwd, file.replace(/yaml$/, 'txt')), 'utf8'), file)
    t.notMatch(error.message, /open-sesame/, `${file}: no secret is printed`)
  }
})

t.test('every good policy is accepted, by the editor\'s schema too', async (t) => {
  const validator = Schema.Compile(policyJsonSchema() as object)
  for (const file of good) {
    const { config } = await loadPolicy({ cwd: join(policies, 'good'), env: {}, policyFile: file })
    t.equal(config.document.version, 1, file)
    const [fits, errors] = validator.Errors(dropNulls(parse(readFileSync(join(policies, 'good', file), 'utf8')) ?? {}))
    t.ok(fits, file, { errors })
  }
  t.notOk(validator.Check({ limitters: {} }), 'the schema is strict')
})

t.test('presets and the sample are policies that the schema accepts', async (t) => {
  const validator = Schema.Compile(policyJsonSchema() as object)
  t.same(presetNames(), ['cheshire-cat', 'generic', 'hanzo-chat', 'librechat', 'open-webui', 'openai-api', 'telegram-bot'])
  for (const name of [...presetNames(), 'defaults']) {
    const text = readFileSync(join(root, 'config', 'presets', `${name}.yaml`), 'utf8')
    t.ok(validator.Check(parse(text)), name)
  }
  t.equal(parse(readFileSync(join(root, 'config', 'portcullis.yaml'), 'utf8')), null, 'the sample is all comments')
})

t.test('every line of the sample is right once its comment sign is taken away', async (t) => {
  const sample = readFileSync(join(root, 'config', 'portcullis.yaml'), 'utf8')
  const text = sample.split('\n\n').slice(1).join('\n').replaceAll(/^# /gm, '')
  const authority = join(root, 'test', 'upstream', 'fixtures', 'cert.pem')
  const cwd = t.testdir({ 'p.yaml': text.replace('/etc/ssl/chat-ca.pem', authority) })
  const { config: { document } } = await loadPolicy({ cwd, env: { JWT_SECRET: 's' }, policyFile: 'p.yaml' })
  t.equal(document.limiters?.['messageIp']?.max, 60)
  t.equal(document.routes?.[0]?.match, 'POST /api/uploads/:folder')
})

t.test('what the compiler falls back to is what the defaults say', async (t) => {
  const findings = { mistakes: [], broken: new Set<string>() }
  const variables = createVariables({ env: {}, dotenv: undefined, cwd: root })
  const { text, file } = readDefaults()
  const defaults = decode(PolicyFile, parseTree(text, { ...findings, file, variables }), findings)
  const report = (path: readonly unknown[]) => t.fail(path.join('.'))
  t.strictSame(compilePolicy({}, report), compilePolicy(defaults, report))
  t.strictSame(findings.mistakes, [])
})

t.test('the committed schema is the one that the types are made from', async (t) => {
  const committed = readFileSync(join(root, 'config', 'portcullis.schema.json'), 'utf8')
  t.equal(committed, policyJsonSchemaText())
  t.notMatch(committed, /"(?:textsOrMaps|oneOrMany|shorthand|definition)"/, 'our own keywords stay at home')
})

/** A key without a value counts as not written. */
function dropNulls (value: unknown): unknown {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(([, member]) => member !== null)
  return Object.fromEntries(members.map(([key, member]) => [key, dropNulls(member)]))
}
