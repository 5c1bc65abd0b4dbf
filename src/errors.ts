/**
 * Catalogue of the faults that a client can see: code, status, and the one sentence it is told.
 * The details go to the log only.
 */
export interface Fault {
  readonly code: string
  readonly status: number
  readonly title: string
  readonly message: string
}

const catalogue = {
  MALFORMED_TARGET: { status: 400, title: 'Malformed request target', message: 'The request target is malformed.' },
  MALFORMED_REQUEST: { status: 400, title: 'Malformed request', message: 'The request is malformed.' },
  METHOD_REFUSED: { status: 405, title: 'Method not allowed', message: 'This method is not forwarded.' },
  BODY_TOO_LARGE: { status: 413, title: 'Content too large', message: 'The request body is larger than this route accepts.' },
  BODY_TIMEOUT: { status: 408, title: 'Request timeout', message: 'The request body did not arrive in time.' },
  INVALID_JSON: { status: 400, title: 'Invalid JSON', message: 'The request body is no valid JSON.' },
  DUPLICATE_KEYS: { status: 400, title: 'Duplicate keys', message: 'The request body names something twice.' },
  TOO_DEEP: { status: 400, title: 'Nested too deep', message: 'The request body is nested too deep.' },
  UNSUPPORTED_ENCODING: { status: 415, title: 'Unsupported encoding', message: 'The encoding of the request body is not supported here.' },
  WRONG_SECRET: { status: 401, title: 'Wrong secret', message: 'The secret that proves the sender is missing or wrong.' },
  STILL_IN_FLIGHT: { status: 503, title: 'Still being answered', message: 'This delivery is being answered already. Please try again shortly.' },
  INTERNAL: { status: 500, title: 'Internal error', message: 'The gateway could not handle the request.' },
  UPSTREAM_UNREACHABLE: { status: 502, title: 'Backend unreachable', message: 'The chat service is not reachable right now. Please try again shortly.' },
  UPSTREAM_BROKEN: { status: 502, title: 'Bad gateway', message: 'The chat service broke off its answer. Please try again shortly.' },
  UPSTREAM_TIMEOUT: { status: 504, title: 'Backend timeout', message: 'The chat service took too long to answer. Please try again shortly.' },
  STORE_UNAVAILABLE: { status: 503, title: 'Temporarily unavailable', message: 'The chat service cannot check its limits right now. Please try again shortly.' },
  DOORMAN_UNAVAILABLE: { status: 503, title: 'Temporarily unavailable', message: 'The chat service cannot check messages right now. Please try again shortly.' },
  OVERLOADED: { status: 503, title: 'Overloaded', message: 'The gateway is overloaded. Please try again shortly.' },
} as const satisfies Record<string, Omit<Fault, 'code'>>

export type FaultCode = keyof typeof catalogue

export function faultOf (code: FaultCode): Fault {
  return { code, ...catalogue[code] }
}
