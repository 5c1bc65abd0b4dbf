import type { Response } from 'express'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Turn } from './conversations.js'
import type { Message } from './world.js'

/** An answer that nobody watches begins by itself after so long. */
const firstViewerWaitMs = 300
/** A text that begins so is answered only when the test says so. */
const heldText = /^hold/

export type Outcome = 'complete' | 'aborted' | 'error'

/** An answer being written (reference librechat.md §5): it goes on whoever watches, and is gone once it has ended. */
export interface Job extends Turn {
  readonly streamId: string
  readonly userId: string
  readonly clientRequestId: unknown
  readonly createdAt: number
  /** Everybody who has this stream open, as far as the backend knows. */
  readonly viewers: Response[]
  readonly seen: PromiseWithResolvers<void>
  answer: Message
}

export interface Jobs {
  start (turn: Turn, clientRequestId: unknown): Job
  find (streamId: string): Job | undefined
  /** Newest first. */
  runningOf (userId: string): readonly Job[]
  /** Shows what was said so far and all that follows. */
  watch (job: Job, viewer: Response, resume: boolean): void
  /** More words for everybody who watches. */
  say (job: Job, text: string): void
  /** Ends it. `hangUp: false`: the last frame is sent, the connections stay. */
  finish (job: Job, outcome: Outcome, options?: { readonly hangUp?: boolean }): void
}

export function createJobs (keep: (message: Message) => void): Jobs {
  const running = new Map<string, Job>()

  function say (job: Job, text: string): void {
    job.answer = { ...job.answer, text: job.answer.text + text }
    for (const viewer of job.viewers) send(viewer, 'message', delta(job.answer.messageId, text))
  }

  function finish (job: Job, outcome: Outcome, { hangUp = true } = {}): void {
    if (running.get(job.streamId) !== job) return
    running.delete(job.streamId)
    job.answer = { ...job.answer, unfinished: outcome !== 'complete', error: outcome === 'error' }
    keep(job.answer)
    for (const viewer of [...job.viewers]) {
      if (outcome === 'error') send(viewer, 'error', { error: 'The provider hung up.' })
      else send(viewer, 'message', finalFrame(job, outcome))
      if (hangUp) viewer.end()
    }
  }

  async function write (job: Job): Promise<void> {
    await Promise.race([job.seen.promise, sleep(firstViewerWaitMs)])
    for (const word of ['You', ' said: ', job.request.text]) say(job, word)
    finish(job, 'complete')
  }

  return {
    say,
    finish,
    find: (streamId) => running.get(streamId),
    runningOf: (userId) => [...running.values()].filter((job) => job.userId === userId).reverse(),
    start (turn, clientRequestId) {
      const { conversation: { conversationId: streamId, user: userId } } = turn
      const replaced = running.get(streamId)
      if (replaced !== undefined) finish(replaced, 'aborted')
      const seen = Promise.withResolvers<void>()
      const job: Job = { ...turn, streamId, userId, clientRequestId, createdAt: Date.now(), viewers: [], seen }
      running.set(streamId, job)
      keep(turn.request)
      if (!heldText.test(turn.request.text)) write(job).catch(() => finish(job, 'error'))
      return job
    },
    watch (job, viewer, resume) {
      viewer.type('text/event-stream').set('cache-control', 'no-cache, no-transform').flushHeaders()
      if (resume) send(viewer, 'message', { sync: true, resumeState: resumeState(job) })
      else send(viewer, 'message', { created: true, message: job.request, streamId: job.streamId })
      job.viewers.push(viewer)
      viewer.on('close', () => { job.viewers.splice(job.viewers.indexOf(viewer), 1) })
      job.seen.resolve()
    },
  }
}

export function send (viewer: Response, event: string, data: object): void {
  if (!viewer.destroyed && !viewer.writableEnded) viewer.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}

export function resumeState ({ answer, request }: Job): object {
  return {
    runSteps: [],
    aggregatedContent: [{ type: 'text', text: answer.text }],
    userMessage: request,
    responseMessageId: answer.messageId,
  }
}

export function finalFrame ({ conversation, request, answer }: Turn, outcome: Outcome = 'complete'): object {
  const { title } = conversation
  const aborted = outcome === 'aborted' ? { aborted: true } : {}
  return { final: true, conversation, title, requestMessage: request, responseMessage: answer, ...aborted }
}

function delta (id: string, text: string): object {
  return { event: 'on_message_delta', data: { id, delta: { content: [{ type: 'text', text }] } } }
}
