import t from 'tap'
import type { RouteEntry } from '../../src/policy/contract.js'
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

/** Routes of LibreChat that Hanzo Chat does not have (reference librechat.md §1.2, §1.3, S16). */
const absent: ReadonlySet<string> = new Set([
  // Sign-in is the provider's
  'POST /api/auth/login', 'POST /api/auth/register', 'POST /api/auth/requestPasswordReset', 'POST /api/auth/resetPassword',
  'POST /api/auth/2fa/verify-temp', 'POST /api/user/verify', 'POST /api/user/verify/resend',
  'POST /api/admin/login/local', 'POST /api/admin/oauth/exchange', 'POST /api/admin/oauth/refresh',
  // Older generations
  'POST /api/ask/*', 'POST /api/ask/:endpoint/abort', 'POST /api/edit/*', 'POST /api/edit/:endpoint/abort',
  'POST /api/bedrock/chat', 'POST /api/bedrock/chat/abort',
  // What LibreChat has got since
  'POST /api/agents/chat/steer', 'POST /api/agents/chat/steer/*',
  'POST,DELETE /api/agents/chat/queued-turns', 'POST,DELETE /api/agents/chat/queued-turns/*',
  'POST /api/convos/:conversationId/subagents/:taskId/control', 'POST /api/schedules/:id/run',
  'POST /api/skills/import', 'POST /api/skills/:id/files', 'POST /api/code-environments/pairings',
  'POST /api/agents/v1/events', 'POST /api/agents/v1/events/bindings', 'POST /api/agents/v1/agents/:id/files',
])
/** Routes of Hanzo Chat alone. The stream's neighbours are exceptions from the browser check. */
const alone: readonly string[] = [
  'GET /v1/chat/agents/chat/active', 'GET /v1/chat/agents/chat/status/:conversationId', 'POST /v1/chat/ask',
  '* /v1/chat/agents/cloud', '* /v1/chat/agents/cloud/*', 'POST /v1/chat/agents/cloud/:name/run',
]
/** Asked for otherwise. */
const guests = { limiters: ['guestMessageIp', 'messageIp', 'messageUser'] }
const unguarded = { browserOnly: 'off' }
const different: Readonly<Record<string, object>> = {
  'POST /api/agents/chat': guests,
  'POST /api/agents/chat/:endpoint': guests,
  'POST /api/agents/chat/abort': unguarded,
  'GET /api/agents/chat/stream/:streamId': unguarded,
}

/** All that a route asks, apart from what is the whole policy's. */
function askedBy (entry: RouteEntry) {
  const { index, path, limiters, concurrency, releases, ...rest } = entry
  return {
    ...rest,
    limiters: limiters.map(({ name }) => name),
    concurrency: concurrency?.name,
    releases: releases === undefined ? undefined : { ...releases, rule: releases.rule.name },
  }
}

t.test('each route of LibreChat under /v1/chat is Hanzo Chat\'s, but for what is named here', async (t) => {
  const both = { ...env, JWT_SECRET: 's', JWT_REFRESH_SECRET: 'r' }
  const routesOf = async (preset: string, prefix: string) => {
    const { policy } = await loadPolicy({ cwd: t.testdir({}), env: { ...both, PORTCULLIS_PRESET: preset } })
    return policy.routes.filter(({ path }) => path.startsWith(prefix)).map(askedBy)
  }
  const theirs = await routesOf('librechat', '/api/')
  const wanted = theirs.filter(({ match }) => !absent.has(match)).map((route) =>
    ({ ...route, ...different[route.match], match: route.match.replace(' /api/', ' /v1/chat/') }))
  const found = new Map((await routesOf('hanzo-chat', '/v1/chat/')).map((route) => [route.match, route]))
  for (const route of wanted) t.strictSame(found.get(route.match), route, route.match)
  const names = [...wanted.map(({ match }) => match), ...alone]
  t.strictSame([...found.keys()].sort(), names.sort())
  const known = new Set(theirs.map(({ match }) => match))
  t.strictSame([...absent, ...Object.keys(different)].filter((match) => !known.has(match)), [], 'nothing is named in vain')
})

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
