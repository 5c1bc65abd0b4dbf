import { AsyncLocalStorage } from 'node:async_hooks'
import { METHODS, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import httpProxy, { type FastifyHttpProxyOptions } from '@fastify/http-proxy'
import Fastify from 'fastify'
import { flushHead } from './answer.js'
import type { ForwardOptions, Forwarder } from './contract.js'
import { faultOf, type DispatchDeps } from './dispatch-forwarder.js'
import { JobDispatcher, type Job } from './http-proxy-dispatcher.js'
import { HOP_BY_HOP } from './headers.js'
import { discardRest } from './request-body.js'
import { watchAnswer } from './watch.js'

/** Plays no part: `JobDispatcher` sends to the pool's origin and the client's own target. */
const UPSTREAM = 'http://upstream.invalid'
const FORWARDED = METHODS.filter((method) => method !== 'CONNECT')

/**
 * The reference implementation: `@fastify/http-proxy` in an inner Fastify, with options that mend what options
 * can. Of what our own forwarder does, these remain undone by its nature: response trailers, 1xx answers and
 * reason phrases are lost, names of response headers become lower case, an invalid Content-Type is 502, a
 * request that met a closing connection is not repeated, and it costs twice the CPU.
 */
export function createHttpProxy (deps: DispatchDeps): Forwarder['forward'] {
  const jobs = new AsyncLocalStorage<Job>()
  const inner = Fastify({ logger: false, exposeHeadRoutes: false, rewriteUrl: () => '/' })
  for (const method of FORWARDED) if (!inner.supportedMethods.includes(method)) inner.addHttpMethod(method)
  // Bodies pass the inner Fastify by: `JobDispatcher` takes them from the request.
  inner.removeAllContentTypeParsers()
  inner.addContentTypeParser('*', (_, __, done) => { done(null) })
  inner.setErrorHandler((error: Error, _, reply) => { giveUp(jobs.getStore(), reply, error) })
  inner.register(httpProxy, proxyOptions(jobs, deps))
  const ready = inner.ready()
  return (request, response, options) => {
    const job = createJob(deps, { request, response, options })
    // `rewriteUrl` writes on the request; the spelling that came is put back for whoever reads it later.
    const { url } = request
    ready.then(() => {
      jobs.run(job, () => { inner.routing(request, response) })
      if (url !== undefined) request.url = url
    }, deps.report)
  }
}

function proxyOptions (jobs: AsyncLocalStorage<Job>, deps: DispatchDeps): FastifyHttpProxyOptions {
  return {
    upstream: UPSTREAM,
    httpMethods: FORWARDED,
    // @ts-expect-error the proxy's types are those of undici 7, which differ in one option that plays no part here
    undici: new JobDispatcher(jobs, deps),
    proxyPayloads: false,
    disableRequestLogging: true,
    internalRewriteLocationHeader: false,
    replyOptions: {
      // It would repeat a GET that was answered 503 up to ten times.
      retryDelay: () => null,
      rewriteHeaders: (headers) => rewriteHeaders(headers, jobs.getStore()),
      onResponse (request, reply, { stream }) {
        // Set while the body is still under way; it would cut the client off before it reads the answer.
        reply.removeHeader('connection')
        reply.send(stream)
        const job = jobs.getStore()
        if (job === undefined) return
        flushHead(job.response)
        discardRest(job.request, job.response)
      },
      onError: (reply, { error }) => { giveUp(jobs.getStore(), reply, error) },
    },
  }
}

function createJob (
  deps: DispatchDeps, from: { request: IncomingMessage, response: ServerResponse, options: ForwardOptions }
): Job {
  const watch = watchAnswer(from.options.observers, deps.report)
  const job: Job = { ...from, watch, controller: undefined, gone: from.request.socket.destroyed }
  from.response.on('close', () => {
    watch.end('aborted')
    job.gone = true
    job.controller?.abort(new Error('the client left'))
  })
  return job
}

function rewriteHeaders (headers: IncomingHttpHeaders, job: Job | undefined): IncomingHttpHeaders {
  const named = String(headers.connection ?? '').toLowerCase().split(',').map((name) => name.trim())
  const kept = Object.entries(headers).filter(([name]) => {
    return !HOP_BY_HOP.has(name) && name !== 'trailer' && !named.includes(name)
  })
  for (const [name, value] of job?.options.ownHeaders ?? []) kept.push([name.toLowerCase(), value])
  return Object.fromEntries(kept)
}

function giveUp (job: Job | undefined, reply: { hijack (): unknown }, error: Error): void {
  reply.hijack()
  if (job === undefined || job.gone) return
  job.watch.end('failed')
  if (job.response.headersSent) job.response.destroy()
  else {
    const cause = error.cause instanceof Error ? error.cause : error
    job.options.onFault(faultOf(cause, job.controller !== undefined), cause)
    discardRest(job.request, job.response)
  }
}
