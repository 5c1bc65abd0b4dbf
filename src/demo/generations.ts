import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../clock.js'
import { planAnswer } from './canned-answer.js'
import type { Conversation, Conversations, Message } from './conversations.js'
import { createdFrame, deltaFrame, finalFrame, resumeState } from './frames.js'

const maxRunning = 1_000
/** An answer waits so long for its first viewer, who would otherwise find a short one gone already. */
const firstViewerWaitMs = 500

/** Gets every event of an answer from now on; `end` comes once, after the last event. */
export interface Viewer {
  send (event: 'message' | 'error', data: object): void
  end (): void
}

type Outcome = 'complete' | 'aborted' | 'failed'

/** An answer being written. It goes on whether anybody looks or not. */
export interface Generation {
  /** The conversation's id: one answer per conversation at a time. */
  readonly streamId: string
  readonly userId: string
  readonly clientRequestId: string | undefined
  readonly request: Message
  readonly conversation: Conversation
  readonly createdAt: number
  answer: Message
  readonly viewers: Set<Viewer>
  /** Aborted when the answer has ended, however it did. */
  readonly ended: AbortController
  /** Resolves the wait for a first viewer. */
  readonly seen: PromiseWithResolvers<void>
}

export type NewGeneration = Pick<Generation, 'clientRequestId' | 'request' | 'answer' | 'conversation'>

export interface Generations {
  /** Undefined: too many answers are being written. An answer running in the same conversation is replaced. */
  start (generation: NewGeneration): Generation | undefined
  find (streamId: string): Generation | undefined
  findByRequest (userId: string, clientRequestId: string): Generation | undefined
  /** Newest first. */
  runningOf (userId: string): readonly Generation[]
  /** What was said so far, then everything that follows. Returns a function that takes the viewer away. */
  watch (generation: Generation, viewer: Viewer, resume: boolean): () => void
  abort (generation: Generation): void
  /** Ends everything, for the server's shutdown. */
  close (): void
}

export interface GenerationOptions {
  readonly conversations: Conversations
  readonly clock: Clock
  readonly tokenDelayMs: number
}

/** The running answers. One that has ended is forgotten at once; its text is in the conversation. */
export function createGenerations ({ conversations, clock, tokenDelayMs }: GenerationOptions): Generations {
  const running = new Map<string, Generation>()
  const ofUser = (userId: string) => [...running.values()].filter((each) => each.userId === userId).reverse()

  /** Forgets the answer before it tells the viewers: who sees the last frame finds the slot free. */
  function finish (generation: Generation, outcome: Outcome): void {
    if (running.get(generation.streamId) !== generation) return
    running.delete(generation.streamId)
    generation.answer = { ...generation.answer, unfinished: outcome !== 'complete', error: outcome === 'failed' }
    conversations.append(generation.answer)
    for (const viewer of generation.viewers) {
      if (outcome === 'failed') viewer.send('error', { error: 'The answer broke off.' })
      else viewer.send('message', finalFrame(generation, outcome === 'aborted'))
      viewer.end()
    }
    generation.viewers.clear()
    generation.ended.abort()
  }

  async function write (generation: Generation): Promise<void> {
    const { words, delayMs, fails } = planAnswer(generation.request.text, tokenDelayMs)
    const { signal } = generation.ended
    await Promise.race([generation.seen.promise, sleep(firstViewerWaitMs, undefined, { signal })])
    for (const word of words) {
      await sleep(delayMs, undefined, { signal })
      generation.answer = { ...generation.answer, text: generation.answer.text + word }
      for (const viewer of generation.viewers) viewer.send('message', deltaFrame(generation, word))
    }
    finish(generation, fails ? 'failed' : 'complete')
  }

  return {
    start (wanted) {
      const streamId = wanted.conversation.conversationId
      const replaced = running.get(streamId)
      if (replaced !== undefined) finish(replaced, 'aborted')
      if (running.size >= maxRunning) return undefined
      const generation: Generation = {
        ...wanted,
        streamId,
        userId: wanted.conversation.user,
        createdAt: clock(),
        viewers: new Set(),
        ended: new AbortController(),
        seen: Promise.withResolvers(),
      }
      running.set(streamId, generation)
      conversations.append(generation.request)
      write(generation).catch(() => finish(generation, 'failed'))
      return generation
    },
    find: (streamId) => running.get(streamId),
    findByRequest: (userId, clientRequestId) =>
      ofUser(userId).find((each) => each.clientRequestId === clientRequestId),
    runningOf: ofUser,
    watch (generation, viewer, resume) {
      if (resume) viewer.send('message', { sync: true, resumeState: resumeState(generation) })
      else {
        viewer.send('message', createdFrame(generation))
        if (generation.answer.text !== '') viewer.send('message', deltaFrame(generation, generation.answer.text))
      }
      generation.viewers.add(viewer)
      generation.seen.resolve()
      return () => { generation.viewers.delete(viewer) }
    },
    abort: (generation) => finish(generation, 'aborted'),
    close () {
      for (const generation of running.values()) finish(generation, 'aborted')
    },
  }
}
