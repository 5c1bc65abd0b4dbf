import type { Verdict } from '../verdict/verdict.js'
import { jsonReply } from './bodies.js'
import type { Dialect } from './contract.js'
import { messageOf } from './details.js'
import { retryHint } from './retry-hint.js'

/** Errors of the OpenAI API, streaming or not: its clients throw them as their own classes, by status. */
export const openai: Dialect = {
  readsBody: () => false,
  render: (verdict, { requestId }) => jsonReply(verdict.status, {
    error: { message: messageOf(verdict), ...kindOf(verdict), param: null },
    ...(verdict.kind === 'fault' ? { requestId } : {}),
  }, retryHint(verdict)),
}

/** Type and code as the API itself has them, where it has one for the case. */
function kindOf (verdict: Verdict): { readonly type: string, readonly code: string } {
  switch (verdict.kind) {
    case 'limit': return { type: verdict.unit ?? 'requests', code: 'rate_limit_exceeded' }
    case 'concurrency': return { type: 'requests', code: 'concurrency_limit_exceeded' }
    case 'suspension': return { type: verdict.status === 429 ? 'requests' : 'request_forbidden', code: 'suspended' }
    case 'ban': return { type: 'request_forbidden', code: verdict.reason === 'denied' ? 'denied' : 'banned' }
    case 'non-browser': return { type: 'request_forbidden', code: 'non_browser' }
    case 'not-allowed': return { type: 'request_forbidden', code: 'not_allowed' }
    case 'content': return {
      type: 'invalid_request_error',
      code: verdict.check === 'length' ? 'string_above_max_length' : 'content_policy_violation',
    }
    case 'delivered': return { type: 'invalid_request_error', code: 'delivered' }
    case 'fault': return {
      type: verdict.status >= 500 ? 'server_error' : 'invalid_request_error',
      code: verdict.code.toLowerCase(),
    }
  }
}
