import t from 'tap'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { startBackend } from '../helpers/backends.js'
import { startProduct } from '../helpers/product.js'
import { createAsked } from './asked.js'

const openid = { OPENID_ISSUER: 'https://hanzo.id', OPENID_CLIENT_ID: 'hanzo-chat' }
const env = {
  PORTCULLIS_PRESET: 'hanzo-chat',
  ...openid,
  ALLOW_GUEST_CHAT: 'true',
  LIMIT_MESSAGE_USER: 'true',
  LIMIT_IMPORT_USER: 'true',
  LIMIT_FORK_USER: 'true',
}
const message = 'guestMessageIp messageIp messageUser ua auth slot'
const page = 'ua auth'
const upload = 'uploadIp uploadUser ua auth'
const fork = 'forkIp forkUser auth'
const read = 'convoReadUser convoAccessUser auth'

const expected: ReadonlyArray<readonly [request: string, asked: string]> = [
  ['POST /v1/chat/agents/chat', message],
  ['POST /v1/chat/agents/chat/openAI', message],
  ['POST /v1/chat/agents/chat/resume', message],
  // Reserved words: the backend answers them before it looks at the client.
  ['POST /v1/chat/agents/chat/abort', 'auth releases:abort'],
  ['GET /v1/chat/agents/chat/stream/5', 'auth releases:stream:streamId'],
  ['GET /v1/chat/agents/chat/active', 'auth'],
  ['GET /v1/chat/agents/chat/status/5', 'auth'],
  ['POST /v1/chat/agents/chat/stop', page],
  ['POST /v1/chat/ask', 'guestMessageIp messageIp messageUser auth'],
  ['POST /v1/chat/assistants/v2/chat', 'messageIp messageUser ua auth slot illegalModel librechat-sse'],
  ['POST /v1/chat/assistants/v2/chat/abort', page],

  ['POST /v1/chat/agents/cloud/helper/run', 'cloudAgentUser ua auth'],
  ['GET /v1/chat/agents/cloud', 'cloudAgentUser ua auth'],
  ['POST /v1/chat/agents/tools/web/call', 'toolCallUser ua auth'],
  ['POST /v1/chat/prompts/groups/7/use', 'promptUseUser auth'],

  ['POST /v1/chat/convos/import', 'importIp importUser auth'],
  ['POST /v1/chat/convos/fork', fork],
  ['POST /v1/chat/convos/duplicate', fork],
  ['GET /v1/chat/convos/1', read],
  ['GET /v1/chat/messages/1', read],
  ['GET /v1/chat/messages/1/2', read],
  ['POST /v1/chat/convos/update', 'convoAccessUser auth'],
  ['GET /v1/chat/convos', ''],
  ['GET /v1/chat/share/abc', 'shareIp shareUser'],

  ['POST /v1/chat/files', upload],
  ['POST /v1/chat/files/images/avatar', upload],
  ['GET /v1/chat/files', page],
  ['POST /v1/chat/files/usage', 'fileUsageUser ua auth'],
  ['POST /v1/chat/files/usage/', 'fileUsageUser ua auth'],
  ['POST /v1/chat/files/speech/stt', 'sttIp sttUser ua auth'],
  ['GET /v1/chat/files/speech/tts/voices', 'ttsIp ttsUser ua auth'],
  ['GET /v1/chat/permissions/agent/1', page],
  ['GET /v1/chat/agents', page],
  ['POST /v1/chat/agents/v1/chat/completions', 'messageIp messageUser auth key'],
  ['GET /v1/chat/agents/v1/models', 'auth key'],
  ['POST /v1/chat/runs/1', ''],
  ['GET /v1/chat/user', ''],
  ['POST /v1/chat/auth/login', ''],

  // LibreChat's own routes stay, for versions that answer under /api.
  ['POST /api/auth/login', 'loginIp'],
  ['POST /api/agents/chat', 'messageIp messageUser ua auth slot'],
  ['POST /api/files', upload],
]

t.test('the hanzo-chat preset asks of each route what the chat app would', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env })
  const asked = createAsked(policy)
  for (const [request, wanted] of expected) t.equal(asked(request), wanted, request)
})

t.test('it lies over librechat: its limiters, and a few of its own', async (t) => {
  const { policy, config } = await loadPolicy({ cwd: t.testdir({}), env })
  t.equal(policy.preset, 'hanzo-chat')
  t.equal(config.document.preset, 'hanzo-chat')
  t.equal(policy.defaultReply, 'librechat-json')
  t.match(policy.limiters.get('messageIp'), { max: 40, windowMs: 60_000, violation: 'message_limit', score: 1 })
  t.match(policy.limiters.get('cloudAgentUser'), {
    key: ['user'], max: 30, windowMs: 60_000, violation: 'tool_call_limit', score: 1,
    message: 'Too many cloud agent requests. Try again later.',
  })
  t.match(policy.limiters.get('guestMessageIp'), {
    key: ['ip'], only: 'guests', max: 3, windowMs: 86_400_000, violation: undefined, status: 402, type: 'GUEST_LIMIT',
    message: 'Guest message limit reached. Log in to continue.',
  })
  t.match(policy.concurrency.get('messages'), {
    max: 2, stream: { id: ['streamId'], active: { path: '/v1/chat/agents/chat/active', list: ['activeJobIds'] } },
  })
})

t.test('members come by the provider\'s tokens, guests by address if they are let in', async (t) => {
  const load = async (more: Record<string, string>) =>
    (await loadPolicy({ cwd: t.testdir({}), env: { PORTCULLIS_PRESET: 'hanzo-chat', ...more } }))
  const { policy } = await load({ ...openid, ALLOW_GUEST_CHAT: 'true', GUEST_MESSAGE_MAX: '5' })
  t.match(policy.identity, [
    {
      from: [{ in: 'header', name: 'authorization', scheme: 'bearer' }],
      jwt: {
        algorithms: ['RS256'], discovery: 'https://hanzo.id', issuer: 'https://hanzo.id', claim: 'sub', qualified: true,
        audience: ['hanzo-chat', 'hanzo-chat-org-*'],
      },
    },
    { from: [{ in: 'address' }], guest: true },
  ])
  t.equal(policy.limiters.get('guestMessageIp')?.max, 5)

  const closed = await load(openid)
  t.equal(closed.policy.identity.length, 1, 'no guests')
  t.notOk(closed.policy.limiters.has('guestMessageIp'))
  t.equal((await load({ ...openid, JWT_SECRET: 's', JWT_REFRESH_SECRET: 'r' })).policy.identity.length, 3)

  const anyone = await load({ OPENID_ISSUER: 'https://hanzo.id' })
  t.strictSame(anyone.policy.identity, [], 'a token for somebody else\'s app names nobody here')
  t.match(anyone.warnings.join('\n'), /inactive: its audience is not set/)
})

t.test('a guest may try three messages a day, whatever the route; the fourth is 402, and nobody is punished', async (t) => {
  const backend = await startBackend(t, (_request, response) => { response.end('{}') })
  const { url, adminUrl, adminToken, clock } = await startProduct(t, {
    upstream: backend.url,
    env: { PORTCULLIS_PRESET: 'hanzo-chat', ALLOW_GUEST_CHAT: 'true' },
  })
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  }
  const post = async (path: string) => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: '{"text":"hi"}' })
    return { status: answer.status, body: await answer.json() as unknown }
  }
  const routes = ['/v1/chat/agents/chat', '/v1/chat/agents/chat/hanzo', '/v1/chat/ask']
  for (const path of routes) t.equal((await post(path)).status, 200, path)
  for (const path of [...routes, '/v1//chat/ASK/']) {
    const message = 'Guest message limit reached. Log in to continue.'
    t.match(await post(path), { status: 402, body: { type: 'GUEST_LIMIT', message } }, path)
  }
  const found = await fetch(`${adminUrl}/api/v1/bans`, { headers: { authorization: `Bearer ${adminToken}` } })
  t.match(await found.json(), { bans: [] })
  clock.advance(24 * 60 * 60_000)
  t.equal((await post('/v1/chat/ask')).status, 200, 'the next day')
})
