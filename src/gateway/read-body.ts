import type { IncomingMessage } from 'node:http'

/** How long a client may take to deliver a body that a check waits for. */
const BODY_DEADLINE_MS = 30_000

export type ReadFailure = 'BODY_TOO_LARGE' | 'BODY_TIMEOUT' | 'MALFORMED_REQUEST'

export interface ReadOptions {
  readonly maxBytes: number
  readonly deadlineMs?: number
}

/**
 * Reads a request's body whole, within bounds. Answers what went wrong as a value; a client that leaves
 * before the end counts as `MALFORMED_REQUEST` (nobody is there to read it). Nothing is read beyond the bound.
 */
export function readBody (request: IncomingMessage, options: ReadOptions): Promise<Buffer | ReadFailure> {
  return collect(request, options).then(({ bytes, outcome }) => outcome === 'complete' ? bytes : failureOf(outcome))
}

/** Reads what comes of a body within the bounds and stops there without complaint: for ids that a refusal echoes. */
export function peekBody (request: IncomingMessage, options: ReadOptions): Promise<Buffer> {
  return collect(request, options).then(({ bytes }) => bytes)
}

type Outcome = 'complete' | 'too-large' | 'timeout' | 'gone'

function failureOf (outcome: Exclude<Outcome, 'complete'>): ReadFailure {
  switch (outcome) {
    case 'too-large': return 'BODY_TOO_LARGE'
    case 'timeout': return 'BODY_TIMEOUT'
    case 'gone': return 'MALFORMED_REQUEST'
  }
}

function collect (request: IncomingMessage, { maxBytes, deadlineMs = BODY_DEADLINE_MS }: ReadOptions) {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
    return Promise.resolve({ bytes: Buffer.alloc(0), outcome: 'too-large' as const })
  }
  // Its client has left already: no event would come any more.
  if (request.destroyed) return Promise.resolve({ bytes: Buffer.alloc(0), outcome: 'gone' as const })
  return new Promise<{ bytes: Buffer, outcome: Outcome }>((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const timer = setTimeout(() => finish('timeout'), deadlineMs)
    const finish = (outcome: Outcome) => {
      clearTimeout(timer)
      request.pause()
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      // A request that fails later must not take the process down.
      request.on('error', ignore)
      resolve({ bytes: Buffer.concat(chunks), outcome })
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) return finish('too-large')
      chunks.push(chunk)
    }
    const onEnd = () => finish('complete')
    const onClose = () => finish('gone')
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  })
}

function ignore () {}
