import type { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Dispatcher } from 'undici'
import type { ForwardOptions } from './contract.js'
import type { DispatchDeps } from './dispatch-forwarder.js'
import { RequestBody, carriesBody, releaseBody } from './request-body.js'
import type { Watch } from './watch.js'

/** One request on its way through the inner Fastify. */
export interface Job {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly options: ForwardOptions
  readonly watch: Watch
  /** Set once the request has a connection. */
  controller: Dispatcher.DispatchController | undefined
  /** The client left. */
  gone: boolean
}

/**
 * What `@fastify/http-proxy` takes for its HTTP client: it sends the prepared request on the connections that both
 * forwarders share (unlimited, verified, with our timeouts), lets the client's leaving abort it, and lets observers see.
 */
export class JobDispatcher extends Dispatcher {
  readonly #jobs: AsyncLocalStorage<Job>
  readonly #deps: DispatchDeps

  constructor (jobs: AsyncLocalStorage<Job>, deps: DispatchDeps) {
    super()
    this.#jobs = jobs
    this.#deps = deps
  }

  override dispatch (_: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const job = this.#jobs.getStore()
    if (job === undefined) throw new Error('a proxied request lost its context')
    const { outbound } = job.options
    const body = outbound.body ?? (carriesBody(job.request) ? new RequestBody(job.request) : null)
    const options = {
      method: outbound.method,
      path: this.#deps.origin.base + outbound.target,
      headers: outbound.headers,
      body,
      servername: this.#deps.origin.hostname,
    }
    return this.#deps.connections.pool.dispatch(options, tap(handler, job, body))
  }
}

/** Tells the job what undici tells the proxy. */
function tap (handler: Dispatcher.DispatchHandler, job: Job, body: unknown): Dispatcher.DispatchHandler {
  return {
    onRequestStart (controller, context) {
      handler.onRequestStart?.(controller, context)
      job.controller = controller
      if (job.gone) controller.abort(new Error('the client left'))
    },
    onResponseStart (controller, status, headers, reason) {
      if (status >= 200) job.watch.head(status, headers)
      handler.onResponseStart?.(controller, status, headers, reason)
    },
    onResponseData (controller, chunk) {
      job.watch.data(chunk)
      handler.onResponseData?.(controller, chunk)
    },
    onResponseEnd (controller, trailers) {
      releaseBody(body)
      job.watch.end('complete')
      handler.onResponseEnd?.(controller, trailers)
    },
    onResponseError (controller, error) {
      releaseBody(body)
      job.watch.end(job.gone ? 'aborted' : 'failed')
      handler.onResponseError?.(controller, error)
    },
  }
}
