import { retryAfterSeconds, type Verdict } from '../verdict/verdict.js'
import type { Dialect } from './contract.js'
import { messageOf } from './details.js'

/** Problem types that the field has registered names for; everything else is ours. */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded'
const OURS = 'urn:portcullis:problem:'

/** RFC 9457 problem details. */
export const problem: Dialect = {
  readsBody: () => false,
  render: (verdict, { requestId }) => ({
    status: verdict.status,
    headers: [['content-type', 'application/problem+json; charset=utf-8']],
    body: JSON.stringify({
      type: typeOf(verdict),
      title: titleOf(verdict),
      status: verdict.status,
      detail: messageOf(verdict),
      requestId,
      ...membersOf(verdict),
      ...(verdict.retryAfterMs === undefined ? {} : { retryAfterSeconds: retryAfterSeconds(verdict.retryAfterMs) }),
    }),
  }),
}

function typeOf (verdict: Verdict): string {
  if (verdict.kind === 'limit') return QUOTA_EXCEEDED
  return OURS + (verdict.kind === 'fault' ? verdict.code.toLowerCase().replaceAll('_', '-') : verdict.kind)
}

function titleOf (verdict: Verdict): string {
  switch (verdict.kind) {
    case 'ban': return verdict.reason === 'denied' ? 'Denied' : 'Banned'
    case 'limit': return 'Too many requests'
    case 'concurrency': return 'Too many requests at once'
    case 'non-browser': return 'Not a browser'
    case 'not-allowed': return 'Not authorized'
    case 'content': return 'Message refused'
    case 'suspension': return 'Suspended'
    case 'delivered': return 'Delivered already'
    case 'fault': return verdict.title
  }
}

function membersOf (verdict: Verdict): Record<string, unknown> {
  switch (verdict.kind) {
    case 'ban': return verdict.bare === true
      ? {}
      : {
          reason: verdict.reason,
          expiresAt: verdict.expiresAt === null ? null : new Date(verdict.expiresAt).toISOString(),
        }
    case 'limit': return { 'violated-policies': [verdict.limiter] }
    case 'concurrency': return { limit: verdict.limit, pendingRequests: verdict.pending }
    case 'content': return { check: verdict.check }
    case 'suspension': return { reason: verdict.reason, expiresAt: new Date(verdict.until).toISOString() }
    case 'non-browser':
    case 'not-allowed':
    case 'delivered':
    case 'fault': return {}
  }
}
