import t from 'tap'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { createRouteTable } from '../../src/policy/route-table.js'

const env = {
  JWT_SECRET: 's',
  JWT_REFRESH_SECRET: 'r',
  LIMIT_MESSAGE_USER: 'true',
  LIMIT_IMPORT_USER: 'true',
  LIMIT_FORK_USER: 'true',
}

const message = 'messageIp messageUser ua auth slot'
const steered = 'messageIp messageUser ua auth'
const page = 'ua auth'
const upload = 'uploadIp uploadUser ua auth'
const fork = 'forkIp forkUser auth'
const read = 'convoReadUser convoAccessUser auth'

/** What is asked of a request: limiters, browser check, auth, slot, what it releases, login, dialect unless the usual. */
const expected: ReadonlyArray<readonly [request: string, asked: string]> = [
  ['POST /api/auth/login', 'loginIp'],
  ['POST /api/admin/login/local', 'loginIp'],
  ['POST /api/admin/oauth/exchange', 'loginIp'],
  ['POST /api/admin/oauth/refresh', 'loginIp'],
  ['GET /oauth/google', 'loginIp login'],
  ['GET /oauth/google/callback', 'loginIp login'],
  ['POST /oauth/saml/callback', 'loginIp login'],
  ['POST /api/auth/register', 'registerIp'],
  ['POST /api/auth/requestPasswordReset', 'resetRequestIp'],
  ['POST /api/auth/resetPassword', 'resetSubmissionIp'],
  ['POST /api/user/verify/resend', 'verifyResendIp'],
  ['POST /api/user/verify', 'verifySubmissionIp'],
  ['POST /api/auth/2fa/verify-temp', 'twoFactorIp twoFactorUser'],
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
  ['POST /api/ask/openAI', `${message} librechat-sse`],
  ['POST /api/ask/gptPlugins/x', `${message} librechat-sse`],
  ['POST /api/edit/anthropic', `${message} librechat-sse`],
  ['POST /api/bedrock/chat', `${message} librechat-sse`],
  ['POST /api/assistants/v2/chat', `${message} librechat-sse`],
  ['POST /api/assistants/chat', `${message} librechat-sse`],
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
  ['POST /api/files/speech/stt', 'sttIp sttUser ua auth'],
  ['POST /api/files/speech/tts/manual', 'ttsIp ttsUser ua auth'],
  ['GET /api/files/speech/tts/voices', 'ttsIp ttsUser ua auth'],
  ['GET /api/files/speech/config/get', page],
  ['GET /api/files', page],
  ['DELETE /api/files', page],
  ['POST /api/skills/import', 'uploadIp uploadUser auth'],
  ['POST /api/skills/7/files', 'uploadIp uploadUser auth'],
  ['POST /api/agents/v1/agents/7/files', 'uploadIp uploadUser'],
  ['POST /api/agents/tools/web/call', 'toolCallUser ua auth'],

  ['GET /api/agents', page],
  ['PATCH /api/agents/7', page],
  ['GET /api/permissions/agent/1', page],
  ['GET /api/assistants/v1', page],
  ['POST /api/agents/v1/chat/completions', ''],
  ['POST /api/agents/v1/responses', ''],
  ['GET /api/user', ''],
  ['GET /', ''],
]

t.test('the librechat preset asks of each route what the chat app would', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env })
  const table = createRouteTable(policy.routes)
  for (const [request, asked] of expected) {
    const [method = '', path = ''] = request.split(' ')
    const [entry] = table.match(method, path)?.entries ?? []
    const found = entry === undefined
      ? []
      : [
          ...entry.limiters.map(({ name }) => name),
          entry.browserOnly === 'off' ? '' : entry.browserOnly,
          entry.authRequired ? 'auth' : '',
          entry.concurrency === undefined ? '' : 'slot',
          entry.releases === undefined ? '' : ['releases', entry.releases.on, entry.releases.param].filter(Boolean).join(':'),
          entry.login ? 'login' : '',
          entry.reply === 'librechat-json' ? '' : entry.reply,
        ]
    t.equal(found.filter((word) => word !== '').join(' '), asked, request)
  }
})

t.test('a switch turns its limiter off on every route', async (t) => {
  const { policy } = await loadPolicy({ cwd: t.testdir({}), env: { ...env, LIMIT_MESSAGE_IP: 'false', LIMIT_TTS: 'false' } })
  t.notOk(policy.limiters.has('messageIp') || policy.limiters.has('ttsIp') || policy.limiters.has('ttsUser'))
  t.ok(policy.limiters.has('sttIp'))
})
