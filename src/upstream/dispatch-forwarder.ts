import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { Answer } from './answer.js'
import type { Connections } from './connections.js'
import type { ForwardOptions, Forwarder, UpstreamFault } from './contract.js'
import { rawStrings } from './headers.js'
import type { Origin } from './origin.js'
import { RequestBody, carriesBody, collectBody, isSmallBody, releaseBody } from './request-body.js'
import { watchAnswer, type Report } from './watch.js'

/** Sending these again changes nothing at the backend. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const CLOSED_CODES: ReadonlySet<string> = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'])
const TIMEOUT_CODE = 'UND_ERR_HEADERS_TIMEOUT'

export interface DispatchDeps {
  readonly connections: Connections
  readonly origin: Origin
  readonly report: Report
}

/** undici takes `servername` too, which its types leave out. */
interface Job extends Dispatcher.DispatchOptions {
  body: Body
  servername: string
}

type Body = Buffer | RequestBody | null

/** Our own way to the backend: undici's lowest layer, writing straight to the client's response. */
export function createDispatch (deps: DispatchDeps): Forwarder['forward'] {
  return (request, response, options) => {
    const relay = new Relay(deps, request, { response, options })
    const { body } = options.outbound
    if (body !== undefined || !carriesBody(request)) relay.send(body ?? null)
    else if (isSmallBody(request)) collectBody(request, (collected) => { relay.send(collected) })
    else relay.send(new RequestBody(request))
  }
}

/** One request at the backend and its answer: what undici tells of the one is done to the other. */
class Relay implements Dispatcher.DispatchHandler {
  readonly #deps: DispatchDeps
  readonly #options: ForwardOptions
  readonly #answer: Answer
  #controller: Dispatcher.DispatchController | undefined
  #job: Job | undefined
  /** The backend has begun to answer this request. */
  #heard = false
  readonly #resume = (): void => { this.#controller?.resume() }

  constructor (
    deps: DispatchDeps, request: IncomingMessage, to: { response: ServerResponse, options: ForwardOptions }
  ) {
    this.#deps = deps
    this.#options = to.options
    this.#answer = new Answer(request, to.response, {
      own: to.options.ownHeaders,
      watch: watchAnswer(to.options.observers, deps.report),
      report: deps.report,
      onFault: (fault, error) => { to.options.onFault(fault, error) },
      onGone: () => { this.#controller?.abort(new Error('the client left')) },
    })
  }

  send (body: Body): void {
    if (this.#answer.over) return
    const { outbound } = this.#options
    const { base, hostname } = this.#deps.origin
    this.#job = {
      method: outbound.method,
      path: base + outbound.target,
      headers: outbound.headers,
      body,
      // Constant: the client's Host must neither choose nor change the TLS server name.
      servername: hostname,
      // undici would close the connection after every HEAD; it checks idle ones for stray bytes before reuse.
      ...(outbound.method === 'HEAD' ? { reset: false } : {}),
    }
    this.#dispatch(this.#job)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#answer.over) controller.abort(new Error('the client left'))
  }

  onResponseStarted (): void {
    this.#heard = true
  }

  onResponseStart (
    controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders, reason = ''
  ): void {
    const raw = rawStrings(controller.rawHeaders)
    if (status < 200) this.#answer.inform(status, headers, raw)
    else this.#answer.head(status, reason, headers, raw)
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#answer.data(chunk, this.#resume)) controller.pause()
  }

  onResponseEnd (controller: Dispatcher.DispatchController): void {
    releaseBody(this.#job?.body)
    this.#answer.end(rawStrings(controller.rawTrailers))
  }

  onResponseError (_: Dispatcher.DispatchController, error: Error): void {
    if (this.#answer.over) return
    const job = this.#job
    if (job !== undefined && this.#mayRetry(job, error)) {
      this.#job = undefined
      this.#controller = undefined
      this.#dispatch(job)
      return
    }
    releaseBody(job?.body)
    this.#answer.fail(faultOf(error, this.#controller !== undefined), error)
  }

  #dispatch (job: Job): void {
    this.#deps.connections.pool.dispatch(job, this)
  }

  /** Once, and only what met a kept connection that the backend was just closing. */
  #mayRetry (job: Job, error: Error): boolean {
    return !this.#heard && job.body === null && SAFE.has(job.method) &&
      CLOSED_CODES.has(codeOf(error)) && this.#deps.connections.wasReused(error)
  }
}

/** `sent`: the request had a connection. */
export function faultOf (error: Error, sent: boolean): UpstreamFault {
  const code = codeOf(error)
  if (code === TIMEOUT_CODE) return 'UPSTREAM_TIMEOUT'
  return sent || code === 'UND_ERR_INVALID_ARG' ? 'UPSTREAM_BROKEN' : 'UPSTREAM_UNREACHABLE'
}

export function codeOf (error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
