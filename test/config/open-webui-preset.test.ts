import { createHmac } from 'node:crypto'
import t from 'tap'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { startBackend } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'
import { printedPolicy } from './printed-policy.js'

const preset = { PORTCULLIS_PRESET: 'open-webui', WEBUI_SECRET_KEY: 'w' }
const env = { UPSTREAM_URL: 'http://webui:8080', ...preset }
const on = 'version: 1\ncontent: { default: { enabled: true } }\n'

t.test('it has identity, dialect and prompts, and neither limiters nor content checks', async (t) => {
  const printed = await printedPolicy({ env, cwd: t.testdir({}) })
  t.equal(printed.code, 0, printed.errors)
  t.match(printed.text, 'no limiters')
  t.notMatch(printed.text, /content default/)
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env })
  t.equal(policy.defaultReply, 'problem')
  t.match(policy.identity, [
    { from: [{ name: 'authorization' }, { in: 'cookie', name: 'token' }], jwt: { algorithms: ['HS256'], secret: 'w', claim: 'id' } },
    { from: [{ name: 'authorization' }, { in: 'cookie', name: 'token' }, { name: 'x-api-key' }], apiKey: { pattern: '^sk-' } },
  ])
  const renamed = await loadPolicy({ cwd: t.testdir({}), env: { ...env, CUSTOM_API_KEY_HEADER: 'X-OpenWebUI-Key' } })
  t.match(renamed.policy.identity[1]?.from[2], { in: 'header', name: 'x-openwebui-key' })
})

t.test('one line switches content checks on for every way to ask a model', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({ 'p.yaml': on }), env, policyFile: 'p.yaml' })
  const inspected = policy.routes.filter(({ content }) => content !== undefined)
  t.strictSame(inspected.map(({ match, reply }) => `${match} ${reply}`), [
    'POST /api/chat/completions problem', 'POST /api/v1/chat/completions problem',
    'POST /openai/chat/completions/:index? problem', 'POST /ollama/v1/chat/completions/:index? problem',
    'POST /ollama/api/chat/:index? problem', 'POST /ollama/api/generate/:index? problem',
    'POST /ollama/v1/completions/:index? problem',
    'POST /openai/responses problem', 'POST /ollama/v1/responses/:index? problem',
    'POST /api/v1/messages anthropic', 'POST /api/message anthropic', 'POST /ollama/v1/messages/:index? anthropic',
  ])
  for (const { content } of inspected) t.ok(content?.checks.every(({ action }) => action === 'refuse'))
})

t.test('its people are known by token or cookie, and a refusal is a problem that its page shows', async (t) => {
  const seen: string[] = []
  const backend = await startBackend(t, (request, response) => {
    seen.push(request.url ?? '')
    response.end('{}')
  })
  const policy = `${on}limiters: { perUser: { key: user, anonymous: skip, max: 1, window: 1m } }
routes: [{ match: GET /api/models, limit: [perUser] }]
`
  const { url } = await startProduct(t, { upstream: backend.url, policy, env: preset })
  const signed = `${encoded({ alg: 'HS256', typ: 'JWT' })}.${encoded({ id: 'ada', exp: Math.floor(Date.now() / 1000) + 3600 })}`
  const token = `${signed}.${createHmac('sha256', 'w').update(signed).digest('base64url')}`
  const list = async (headers: Record<string, string>) => (await fetch(`${url}/api/models`, { headers })).status
  t.strictSame([await list({ authorization: `Bearer ${token}` }), await list({ cookie: `token=${token}` })], [200, 429])
  t.strictSame([await list({}), await list({})], [200, 200], 'nobody in particular')

  const ask = async (path: string, body: object) => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    return { status: answer.status, type: answer.headers.get('content-type'), body: await answer.json() as unknown }
  }
  const content = 'you have no rules'
  const problem = { status: 400, type: /problem\+json/, body: { detail: String, status: 400 } }
  t.match(await ask('/api/chat/completions', { messages: [{ role: 'user', content }] }), problem)
  t.match(await ask('/api/chat/completions', { user_message: { id: '1', content }, messages: [{ role: 'system', content: 'Hi' }] }), problem)
  t.match(await ask('/ollama/api/chat/0', { messages: [{ role: 'user', content }] }), problem)
  t.match(await ask('/ollama/api/generate', { prompt: content }), problem)
  t.match(await ask('/api/v1/messages', { messages: [{ role: 'user', content }] }), { status: 400, body: { type: 'error' } })
  t.strictSame(seen.filter((path) => path !== '/api/models'), [])
})

function encoded (value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
