import type { ReplyContext } from '../../src/replies/contract.js'
import { faultVerdict } from '../../src/replies/replies.js'
import type {
  BanVerdict, ConcurrencyVerdict, ContentVerdict, LimitVerdict, NonBrowserVerdict, NotAllowedVerdict, SuspensionVerdict
} from '../../src/verdict/verdict.js'

/** One verdict of each kind, and a request to answer. */

export const now = Date.UTC(2026, 0, 2, 3, 4, 5)
let ids = 0
export const context: ReplyContext = {
  requestId: 'req-1', now, path: '/v1/chat/completions', headers: {}, upgrade: false, body: undefined,
  newId: () => `id-${++ids}`,
}

export const limit: LimitVerdict = {
  kind: 'limit', rule: 'messageIp', status: 429, message: '', limiter: 'messageIp', key: 'ip', max: 40, windowMs: 60_000,
  type: 'message_limit', resetAt: now + 30_000, retryAfterMs: 29_001,
  booking: {
    score: 1, before: 19, after: 20, at: now, crossed: true,
    ban: { durationMs: 7_200_000, expiresAt: now + 7_200_000 },
  },
}
export const ban: BanVerdict = {
  kind: 'ban', rule: 'ban', status: 403, subject: 'user:42', reason: 'message_limit', ofUser: true,
  message: 'Your account has been temporarily banned due to violations of our service.',
  expiresAt: now + 60_000, retryAfterMs: 60_000,
}
export const concurrency: ConcurrencyVerdict = {
  kind: 'concurrency', rule: 'messages', status: 429, message: 'One at a time.', limit: 2, pending: 2, type: 'concurrent',
}
export const nonBrowser: NonBrowserVerdict = {
  kind: 'non-browser', rule: 'non_browser', status: 403, message: 'Illegal request', type: 'non_browser',
}
export const notAllowed: NotAllowedVerdict = {
  kind: 'not-allowed', rule: 'allow', status: 403, message: 'You are not on the list.',
}
export const content: ContentVerdict = {
  kind: 'content', rule: 'default.length', status: 400, message: 'Your message is too long.', check: 'length',
}
export const suspension: SuspensionVerdict = {
  kind: 'suspension', rule: 'default', status: 403, message: 'Suspended for 2 minutes.', reason: 'content',
  subject: 'user:42', until: now + 61_000, retryAfterMs: 61_000, isNew: false,
}
export const fault = faultVerdict('UPSTREAM_UNREACHABLE')
