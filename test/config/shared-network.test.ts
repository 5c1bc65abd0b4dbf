/** The policies that the docs recommend for shared networks, taken from the docs themselves. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../src/config/presets.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { startBackend } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'

function recommendedPolicy (page: string): string {
  const text = readFileSync(join(packageRoot(), 'docs', page), 'utf8')
  const found = /<!-- shared-network -->\n```yaml\n(.*?)```/s.exec(text)?.[1]
  if (found === undefined) throw new Error(`${page} recommends nothing`)
  return found
}

t.test('an office signs in a hundred times over; seven wrong passwords are enough', async (t) => {
  const backend = await startBackend(t, (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => { body += chunk.toString() })
    request.on('end', () => {
      response.statusCode = body.includes('"right"') ? 200 : 404
      response.setHeader('content-type', 'application/json')
      response.end(body.includes('"right"') ? '{"token":"t","user":{"id":"1","email":"a@b.c"}}' : '{"message":"no"}')
    })
  })
  const { url, clock } = await startProduct(t, { upstream: backend.url, policy: recommendedPolicy('librechat.md') })
  const signIn = async (password: string) => {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ email: 'a@b.c', password })
    const answer = await fetch(`${url}/api/auth/login`, { method: 'POST', headers, body })
    return { status: answer.status, text: await answer.text() }
  }
  for (let n = 0; n < 100; n++) t.equal((await signIn('right')).status, 200)
  for (let n = 0; n < 7; n++) t.equal((await signIn('wrong')).status, 404)
  const refused = await signIn('wrong')
  t.match(refused, { status: 429, text: /Too many login attempts, please try again after 5 minutes\./ })
  t.match(refused.text, '"type":"logins"')
  clock.advance(5 * 60_000)
  t.equal((await signIn('right')).status, 200, 'the window is over')
})

t.test('messages count by user there, and by address only when they are very many', async (t) => {
  for (const [page, preset] of [['librechat.md', 'librechat'], ['hanzo-chat.md', 'hanzo-chat']] as const) {
    const cwd = t.testdir({ 'p.yaml': recommendedPolicy(page) })
    const { policy } = await loadPolicy({ cwd, env: { JWT_SECRET: 's', JWT_REFRESH_SECRET: 'r' }, policyFile: 'p.yaml' })
    t.equal(policy.preset, preset)
    t.equal(policy.limiters.get('messageUser')?.max, 40, page)
    t.equal(policy.limiters.get('messageIp')?.max, 1000, page)
  }
})
