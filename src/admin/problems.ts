import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyReply } from 'fastify'
import type { Log } from '../log.js'

const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/** What a handler throws to refuse: told to the operator as RFC 9457. */
export class Problem extends Error {
  readonly statusCode: number

  constructor (statusCode: number, detail: string) {
    super(detail)
    this.statusCode = statusCode
  }
}

/** Answers with a problem document. Refusals carry their reason; our own failures only go to the log. */
export function sendProblem (reply: FastifyReply, status: number, detail: string): FastifyReply {
  const body = { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail }
  return reply.code(status).header('content-type', PROBLEM_TYPE).serializer(JSON.stringify).send(body)
}

export function createErrorHandler (log: Log) {
  return (error: FastifyError | Problem, _request: unknown, reply: FastifyReply): FastifyReply => {
    const status = error.statusCode ?? 500
    if (status < 500) return sendProblem(reply, status, error.message)
    log.error({ err: error }, 'the admin listener failed at a request')
    return sendProblem(reply, 500, 'The gateway could not do this; its log says why.')
  }
}
