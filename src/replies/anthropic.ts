import { jsonReply } from './bodies.js'
import type { Dialect } from './contract.js'
import { messageOf } from './details.js'
import { retryHint } from './retry-hint.js'

/** Error types of the Anthropic API by status; its clients throw by status and show the type. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
}

/** Errors of the Anthropic API, streaming or not: one that comes before the stream is plain JSON there too. */
export const anthropic: Dialect = {
  readsBody: () => false,
  render: (verdict, { requestId }) => jsonReply(verdict.status, {
    type: 'error',
    error: { type: typeOf(verdict.status), message: messageOf(verdict) },
    request_id: requestId,
  }, [['request-id', requestId], ...retryHint(verdict)]),
}

function typeOf (status: number): string {
  return TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
}
