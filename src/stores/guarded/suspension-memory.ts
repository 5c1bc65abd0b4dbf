import type {
  LocalSuspensions, NotedMessage, SuspendRequest, Suspension, SuspensionStore,
} from '../../suspensions/contract.js'
import { createNoteOutbox } from './note-outbox.js'
import { Outbox, type OutboxOptions } from './outbox.js'

export interface SuspensionMemoryOptions extends Omit<OutboxOptions<never>, 'name' | 'send'> {
  readonly remote: SuspensionStore
  readonly local: LocalSuspensions
}

/** What this process knows of suspensions, for the time when the shared store cannot be asked, and what it must be told. */
export interface SuspensionMemory {
  /** What the shared store said of a subject. */
  learn (subject: string, suspension: Suspension | undefined, now: number): void
  /** In force, and the shared store may not know of it yet; undefined: ask the store. */
  unsent (subject: string, now: number): Suspension | undefined
  keep (request: SuspendRequest): void
  keepNote (message: NotedMessage): void
  keepLift (subject: string): void
  keepForgetting (subject: string): void
  readonly length: number
  readonly dropped: number
  close (withinMs: number): Promise<number>
}

type Waiting =
  | { readonly kind: 'suspend', readonly request: SuspendRequest }
  | { readonly kind: 'lift' | 'forget', readonly subject: string }

export function createSuspensionMemory (options: SuspensionMemoryOptions): SuspensionMemory {
  const { remote, local, clock } = options
  const outbox = new Outbox<Waiting>({ ...options, name: 'suspensions', send })
  const notes = createNoteOutbox(options)

  function send (waiting: Waiting): unknown {
    const now = clock()
    switch (waiting.kind) {
      case 'suspend': {
        const { request } = waiting
        return remote.suspend({ ...request, ageMs: Math.max(0, now - request.now) })
      }
      case 'lift': return remote.lift(waiting.subject, now)
      case 'forget': return remote.forget(waiting.subject)
    }
  }

  return {
    learn (subject, suspension, now) {
      if (suspension !== undefined) local.adopt(suspension)
      else if (outbox.length === 0) local.lift(subject, now)
    },
    unsent: (subject, now) => outbox.length === 0 ? undefined : local.find(subject, now),
    keep: (request) => outbox.put({ kind: 'suspend', request }),
    keepNote: notes.keep,
    keepLift: (subject) => outbox.put({ kind: 'lift', subject }),
    keepForgetting: (subject) => outbox.put({ kind: 'forget', subject }),
    get length () { return outbox.length },
    get dropped () { return outbox.dropped },
    async close (withinMs) {
      const [left] = await Promise.all([outbox.close(withinMs), notes.close(withinMs)])
      return left
    },
  }
}
