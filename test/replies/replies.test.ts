import t from 'tap'
import { librechatSse } from '../../src/replies/librechat-sse.js'
import { faultVerdict, readsBody, render } from '../../src/replies/replies.js'
import { ban, concurrency, content, context, limit, nonBrowser, now, suspension } from './verdicts.js'

const options = { dialect: 'librechat-json', navigation: false, loginUrl: undefined, context } as const

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
  t.ok(readsBody('librechat-sse', limit))
  t.notOk(readsBody('librechat-json', limit))
})

t.test('librechat-sse survives bodies whose ids are no texts', async (t) => {
  const body = { messageId: { $gt: '' }, conversationId: 7, text: ['x'], parentMessageId: null }
  const [first] = framesOf(librechatSse.render(limit, { ...context, body }).body)
  t.equal(first?.data.message.text, '')
  t.type(first?.data.message.messageId, 'string')
})

t.test('a suspension is told with its reason and the minutes left, so that LibreChat shows the sentence alone', async (t) => {
  const message = 'Suspended for 2 minutes.'
  const said = {
    message, type: 'suspension', reason: 'content', expiresAt: '2026-01-02T03:05:06.000Z', retryAfterSeconds: 61,
    code: 'google_error', info: message, requestId: 'req-1',
  }
  const reply = render(suspension, options)
  t.equal(reply.status, 403)
  t.equal(Object.fromEntries(reply.headers)['retry-after'], '61')
  t.same(JSON.parse(reply.body), said)
  const [, answer] = framesOf(render(suspension, { ...options, dialect: 'librechat-sse' }).body)
  t.same(JSON.parse(answer?.data.text), said)
  t.match(JSON.parse(render(suspension, { ...options, dialect: 'problem' }).body), {
    type: 'urn:portcullis:problem:suspension', title: 'Suspended', status: 403, detail: message, reason: 'content',
  })
})

t.test('a refused message is told with the kind of its check; one that was scored with its violation', async (t) => {
  const body = JSON.parse(render(content, options).body)
  t.match(body, { message: content.message, type: 'content', check: 'length', code: 'google_error', info: content.message })
  t.notOk('violation' in body)
  const scored = { ...content, type: 'content_violation', booking: limit.booking! }
  t.match(JSON.parse(render(scored, options).body), {
    type: 'content', violation: 'content_violation', prev_count: 19, violation_count: 20, ban: true,
  })
  t.match(JSON.parse(render(content, { ...options, dialect: 'problem' }).body), {
    type: 'urn:portcullis:problem:content', title: 'Message refused', status: 400, check: 'length',
  })
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
