import t from 'tap'
import { librechatSse } from '../../src/replies/librechat-sse.js'
import { echoesIds, faultVerdict, render } from '../../src/replies/replies.js'
import type { BanVerdict, ConcurrencyVerdict, LimitVerdict, NonBrowserVerdict } from '../../src/verdict/verdict.js'

const now = Date.UTC(2026, 0, 2, 3, 4, 5)
let ids = 0
const context = { requestId: 'req-1', now, body: undefined, newId: () => `id-${++ids}` }
const options = { dialect: 'librechat-json', navigation: false, loginUrl: undefined, context } as const

const limit: LimitVerdict = {
  kind: 'limit', rule: 'messageIp', status: 429, message: '', limiter: 'messageIp', key: 'ip', max: 40, windowMs: 60_000,
  type: 'message_limit', resetAt: now + 30_000, retryAfterMs: 29_001,
  booking: {
    score: 1, before: 19, after: 20, at: now, crossed: true,
    ban: { durationMs: 7_200_000, expiresAt: now + 7_200_000 },
  },
}
const ban: BanVerdict = {
  kind: 'ban', rule: 'ban', status: 403, subject: 'user:42', reason: 'message_limit', ofUser: true,
  message: 'Your account has been temporarily banned due to violations of our service.',
  expiresAt: now + 60_000, retryAfterMs: 60_000,
}
const concurrency: ConcurrencyVerdict = {
  kind: 'concurrency', rule: 'messages', status: 429, message: 'One at a time.', limit: 2, pending: 2, type: 'concurrent',
}
const nonBrowser: NonBrowserVerdict = {
  kind: 'non-browser', rule: 'non_browser', status: 403, message: 'Illegal request', type: 'non_browser',
}

t.test('librechat-json tells a refused message with all the numbers the client shows', async (t) => {
  const reply = render(limit, options)
  t.equal(reply.status, 429)
  t.same(Object.fromEntries(reply.headers)['retry-after'], '30', 'rounded up, never early')
  t.equal(Object.fromEntries(reply.headers)['cache-control'], 'no-store')
  const body = JSON.parse(reply.body)
  t.match(body, {
    type: 'message_limit', max: 40, limiter: 'ip', windowInMinutes: 1, prev_count: 19, violation_count: 20,
    date: '2026-01-02T03:04:05.000Z', retryAfterSeconds: 30, requestId: 'req-1', ban: true, ban_duration: 7_200_000,
    resetAt: now + 30_000,
  })
  t.equal(body.message, 'You have sent too many requests. Please try again in 30 seconds.')
})

t.test('a limiter with a text of its own is quoted to the letter', async (t) => {
  const message = 'Too many login attempts, please try again after 5 minutes.'
  t.equal(JSON.parse(render({ ...limit, message }, options).body).message, message)
})

t.test('a refusal that is no violation has the name that the policy gives it, else its limiter\'s', async (t) => {
  const { type, booking, ...quota } = limit
  t.ok(type !== undefined && booking !== undefined)
  t.match(JSON.parse(render({ ...quota, status: 402, replyType: 'GUEST_LIMIT' }, options).body), { type: 'GUEST_LIMIT', violation_count: 0 })
  t.equal(JSON.parse(render(quota, options).body).type, 'messageIp')
})

t.test('librechat-json tells concurrency with limit and pendingRequests', async (t) => {
  const body = JSON.parse(render(concurrency, options).body)
  t.match(body, { type: 'concurrent', limit: 2, pendingRequests: 2, requestId: 'req-1', violation_count: 0 })
  t.notOk('retryAfterSeconds' in body, 'nobody knows when a generation ends')
})

t.test('a ban tells reason and expiry, and expires the refresh cookie of the banned user only', async (t) => {
  const reply = render(ban, options)
  t.equal(reply.status, 403)
  t.match(JSON.parse(reply.body), {
    message: ban.message, type: 'ban', reason: 'message_limit', expiresAt: '2026-01-02T03:05:05.000Z', retryAfterSeconds: 60,
  })
  t.match(Object.fromEntries(reply.headers)['set-cookie'], /^refreshToken=; .*1970/)
  t.notOk(Object.fromEntries(render({ ...ban, ofUser: false }, options).headers)['set-cookie'])
})

t.test('a ban for ever has a null expiry and no Retry-After', async (t) => {
  const { retryAfterMs, ...forever } = { ...ban, expiresAt: null }
  t.equal(retryAfterMs, 60_000)
  for (const dialect of ['librechat-json', 'problem'] as const) {
    const reply = render(forever, { ...options, dialect })
    t.equal(JSON.parse(reply.body).expiresAt, null)
    t.notOk('retryAfterSeconds' in JSON.parse(reply.body))
    t.notOk(Object.fromEntries(reply.headers)['retry-after'])
  }
})

const framesOf = (body: string) => body.trim().split('\n\n').map((frame) => {
  const [event = '', data = ''] = frame.split('\n')
  return { event: event.replace('event: ', ''), data: JSON.parse(data.replace('data: ', '')) }
})

t.test('librechat-sse answers 200 with the two frames, ids echoed, the violation as JSON text', async (t) => {
  const body = { messageId: 'm', parentMessageId: 'p', conversationId: 'c', text: 'hi', model: 'gpt', responseMessageId: 'r' }
  const reply = render(limit, { ...options, dialect: 'librechat-sse', context: { ...context, body } })
  t.equal(reply.status, 200)
  const [first, second] = framesOf(reply.body)
  t.same(first, {
    event: 'message',
    data: {
      message: { sender: 'User', messageId: 'm', parentMessageId: 'p', conversationId: 'c', isCreatedByUser: true, text: 'hi' },
      created: true,
    },
  })
  t.match(second, {
    event: 'error',
    data: {
      sender: 'gpt', messageId: 'r', conversationId: 'c', parentMessageId: 'm',
      unfinished: false, error: true, final: true, isCreatedByUser: false,
    },
  })
  t.match(JSON.parse(second?.data.text), { type: 'message_limit', max: 40, limiter: 'ip', windowInMinutes: 1 })
})

t.test('librechat-sse gives a ban fresh ids, and a non-browser one error frame', async (t) => {
  const body = { messageId: 'm', conversationId: 'c', text: 'hi' }
  const context2 = { ...context, body }
  const [first, second] = framesOf(librechatSse.render(ban, context2).body)
  t.not(first?.data.message.messageId, 'm')
  t.not(first?.data.message.conversationId, 'c')
  t.equal(second?.data.text, '{"type":"ban"}')
  const reply = librechatSse.render(nonBrowser, context2)
  t.equal(reply.status, 200)
  t.same(framesOf(reply.body), [{ event: 'error', data: { message: 'Illegal request' } }])
  t.ok(echoesIds('librechat-sse'))
  t.notOk(echoesIds('librechat-json'))
})

t.test('librechat-sse survives bodies whose ids are no texts', async (t) => {
  const body = { messageId: { $gt: '' }, conversationId: 7, text: ['x'], parentMessageId: null }
  const [first] = framesOf(librechatSse.render(limit, { ...context, body }).body)
  t.equal(first?.data.message.text, '')
  t.type(first?.data.message.messageId, 'string')
})

t.test('problem answers RFC 9457', async (t) => {
  const asProblem = { ...options, dialect: 'problem' } as const
  const reply = render(limit, asProblem)
  t.match(Object.fromEntries(reply.headers)['content-type'], /^application\/problem\+json/)
  t.match(JSON.parse(reply.body), {
    type: /quota-exceeded$/, title: 'Too many requests', status: 429, requestId: 'req-1', retryAfterSeconds: 30,
    'violated-policies': ['messageIp'],
  })
  t.match(JSON.parse(render(faultVerdict('UPSTREAM_TIMEOUT'), asProblem).body), {
    type: 'urn:portcullis:problem:upstream-timeout', title: 'Backend timeout', status: 504,
  })
  t.match(JSON.parse(render(nonBrowser, asProblem).body), { status: 403, detail: 'Illegal request' })
  t.match(JSON.parse(render(concurrency, asProblem).body), { status: 429, limit: 2, pendingRequests: 2 })
  t.match(JSON.parse(render({ ...ban, reason: 'denied', expiresAt: null }, asProblem).body), { title: 'Denied', reason: 'denied' })
})

t.test('a banned navigation gets a page that says why and until when, without external resources', async (t) => {
  const hostile = { ...ban, reason: '<script>alert(1)</script>' }
  const reply = render(hostile, { ...options, navigation: true })
  t.equal(reply.status, 403)
  const headers = Object.fromEntries(reply.headers)
  t.match(headers['content-type'], /^text\/html/)
  t.match(headers['content-security-policy'], /^default-src 'none'/)
  t.match(reply.body, '<time datetime="2026-01-02T03:05:05.000Z">')
  t.match(reply.body, 'req-1')
  t.notMatch(reply.body, '<script>alert', 'nothing of a violation is markup')
  t.notMatch(reply.body, /(src|href)="https?:/)
  t.match(render(limit, { ...options, navigation: true }).status, 429, 'a limited navigation is answered in the dialect')
})

t.test('sign-in navigations go back to the login page, limited or banned', async (t) => {
  for (const verdict of [limit, ban]) {
    const reply = render(verdict, { ...options, navigation: true, loginUrl: 'https://chat.example' })
    t.equal(reply.status, 302)
    t.equal(Object.fromEntries(reply.headers)['location'], 'https://chat.example/login?redirect=false&error=auth_failed')
  }
  t.equal(render(limit, { ...options, loginUrl: 'https://chat.example' }).status, 429, 'what is no navigation reads JSON')
})
