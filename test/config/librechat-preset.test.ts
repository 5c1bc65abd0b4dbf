import t from 'tap'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { createAsked } from './asked.js'

const env = {
  JWT_SECRET: 's',
  JWT_REFRESH_SECRET: 'r',
  LIMIT_MESSAGE_USER: 'true',
  LIMIT_IMPORT_USER: 'true',
  LIMIT_FORK_USER: 'true',
}

const message = 'messageIp messageUser ua auth slot'
const streamed = `${message} illegalModel librechat-sse`
const steered = 'messageIp messageUser ua auth'
const page = 'ua auth'
const upload = 'uploadIp uploadUser ua auth'
const fork = 'forkIp forkUser auth'
const read = 'convoReadUser convoAccessUser auth'

const expected: ReadonlyArray<readonly [request: string, asked: string]> = [
  ['POST /api/auth/login', 'loginIp'],
  ['POST /api/admin/login/local', 'loginIp'],
  ['POST /api/admin/oauth/exchange', 'loginIp'],
  ['POST /api/admin/oauth/refresh', 'loginIp'],
  ['GET /oauth/google', 'loginIp forgives:1000 login'],
  ['POST /oauth/google', 'loginIp login'],
  ['GET /oauth/google/callback', 'loginIp login'],
  ['POST /oauth/saml/callback', 'loginIp login'],
  ['POST /api/auth/register', 'registerIp'],
  ['POST /api/auth/requestPasswordReset', 'resetRequestIp'],
  ['POST /api/auth/resetPassword', 'resetSubmissionIp'],
  ['POST /api/user/verify/resend', 'verifyResendIp'],
  ['POST /api/user/verify', 'verifySubmissionIp'],
  ['POST /api/auth/2fa/verify-temp', 'twoFactorIp twoFactorUser token'],
  ['POST /api/auth/refresh', ''],
  ['GET /api/auth/login', ''],

  ['POST /api/agents/chat', message],
  ['POST /api/agents/chat/openAI', message],
  ['POST /api/agents/chat/resume', message],
  ['POST /api/agents/chat/steer', steered],
  ['POST /api/agents/chat/steer/deliver', steered],
  ['DELETE /api/agents/chat/queued-turns/7', steered],
  ['POST /api/agents/chat/abort', 'ua auth releases:abort'],
  ['POST /api/agents/chat/stop', page],
  ['GET /api/agents/chat/stream/5', 'ua auth releases:stream:streamId'],
  ['GET /api/agents/chat/status/5', page],
  ['GET /api/agents/chat/active', page],
  // Any last segment of a POST is a message to the backend.
  ['POST /api/agents/chat/stream', message],
  ['POST /api/convos/1/subagents/2/control', 'messageIp messageUser auth'],
  ['POST /api/schedules/1/run', 'messageIp messageUser auth'],
  ['POST /api/ask/openAI', streamed],
  ['POST /api/ask/gptPlugins/x', streamed],
  ['POST /api/edit/anthropic', streamed],
  ['POST /api/bedrock/chat', streamed],
  ['POST /api/assistants/v2/chat', streamed],
  ['POST /api/assistants/chat', streamed],
  ['POST /api/ask/openAI/abort', page],
  ['POST /api/edit/openAI/abort', page],
  ['POST /api/bedrock/chat/abort', page],
  ['POST /api/assistants/v1/chat/abort', page],

  ['POST /api/convos/import', 'importIp importUser auth'],
  ['POST /api/convos/fork', fork],
  ['POST /api/convos/duplicate', fork],
  ['POST /api/share/abc/fork', fork],
  ['GET /api/share/abc', 'shareIp shareUser'],
  ['POST /api/share/abc', ''],
  ['GET /api/convos/1', read],
  ['GET /api/messages/1', read],
  ['GET /api/messages/1/2', read],
  ['GET /api/convos', ''],
  ['POST /api/convos/update', 'convoAccessUser auth'],

  ['POST /api/files', upload],
  ['POST /api/files/', upload],
  ['POST /api/files/images', upload],
  ['POST /api/files/images/avatar', upload],
  ['POST /api/files/images/agents/1/avatar', upload],
  ['POST /api/files/usage', 'fileUsageUser ua auth'],
  ['POST /api/files/usage/', 'fileUsageUser ua auth'],
  ['POST /api/files/speech/stt', 'sttIp sttUser ua auth'],
  ['POST /api/files/speech/tts/manual', 'ttsIp ttsUser ua auth'],
  ['GET /api/files/speech/tts/voices', 'ttsIp ttsUser ua auth'],
  ['GET /api/files/speech/config/get', page],
  ['GET /api/files', page],
  ['DELETE /api/files', page],
  ['POST /api/skills/import', 'uploadIp uploadUser auth'],
  ['POST /api/skills/7/files', 'uploadIp uploadUser auth'],
  ['POST /api/agents/v1/agents/7/files', 'uploadIp uploadUser auth key'],
  ['POST /api/agents/tools/web/call', 'toolCallUser ua auth'],

  ['GET /api/agents', page],
  ['PATCH /api/agents/7', page],
  ['GET /api/permissions/agent/1', page],
  ['GET /api/assistants/v1', page],
  // For programs: no browser, a key of their own, and the budget that every message costs.
  ['POST /api/agents/v1/chat/completions', 'messageIp messageUser auth key'],
  ['POST /api/agents/v1/responses', 'messageIp messageUser auth key'],
  ['POST /api/agents/v1/events', 'agentEventUser auth key'],
  ['POST /api/agents/v1/events/bindings', 'agentEventUser auth key'],
  ['GET /api/agents/v1/models', 'auth key'],
  ['POST /api/prompts/groups/7/use', 'promptUseUser auth'],
  ['POST /api/code-environments/pairings', 'pairingUser auth'],
  ['GET /api/user', ''],
  ['GET /', ''],
]

t.test('the librechat preset asks of each route what the chat app would', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env })
  const asked = createAsked(policy)
  for (const [request, wanted] of expected) t.equal(asked(request), wanted, request)
})

t.test('a switch turns its limiter off on every route', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env: { ...env, LIMIT_MESSAGE_IP: 'false', LIMIT_TTS: 'false' } })
  t.notOk(policy.limiters.has('messageIp') || policy.limiters.has('ttsIp') || policy.limiters.has('ttsUser'))
  t.ok(policy.limiters.has('sttIp'))
})

t.test('OPENID_REUSE_TOKENS brings the provider\'s tokens, before the cookies, and without it they do not count', async (t) => {
  const sourcesOf = async (more: Record<string, string>) => {
    const { policy } = await loadPolicy({ cwd: t.testdir({}), env: { ...env, ...more } })
    return policy.identity
  }
  const openid = { OPENID_ISSUER: 'https://id.example', OPENID_CLIENT_ID: 'chat' }
  t.equal((await sourcesOf(openid)).length, 2)
  const sources = await sourcesOf({ ...openid, OPENID_REUSE_TOKENS: 'TRUE  # yes' })
  t.match(sources, [
    { jwt: { secret: 's', claim: 'id' }, alias: undefined },
    {
      from: [{ in: 'header', name: 'authorization', scheme: 'bearer' }],
      jwt: { algorithms: ['RS256'], discovery: 'https://id.example', audience: ['chat'], claim: 'sub', qualified: false },
      alias: {
        from: [{ in: 'cookie', name: 'openid_user_id' }],
        jwt: { algorithms: ['HS256'], secret: 'r', claim: 'id' },
      },
    },
    { from: [{ in: 'cookie', name: 'refreshToken' }], jwt: { secret: 'r', claim: 'id' }, alias: undefined },
  ])
  t.equal(sources.length, 3)
})

t.test('whoever is half signed in is named by the two-factor token\'s own claim', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env })
  const route = policy.routes.find(({ match }) => match === 'POST /api/auth/2fa/verify-temp')
  t.match(route?.identity, [{ from: [{ in: 'body', pointer: ['tempToken'] }], jwt: { secret: 's', claim: 'userId' } }])
  t.notOk(policy.identity.some(({ jwt }) => jwt?.claim === 'userId'), 'nowhere else')
})

t.test('a wrong model is known by the chat app\'s own answer', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env: { ...env, ILLEGAL_MODEL_REQ_SCORE: '7 # strict' } })
  const when = { status: [200], event: 'error', value: { pointer: ['text'], equals: 'Illegal model request' } }
  t.match(policy.outcomes.get('illegalModel'), { violation: 'illegal_model_request', score: 7, when })
})
