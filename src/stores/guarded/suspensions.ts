/**
 * Suspensions while the shared store may be away: those that this process knows of stay in force, new ones are made in
 * process, on a ladder of its own, and kept for the store.
 */
import type {
  LocalSuspensions, NotedMessage, SuspendRequest, Suspension, SuspensionRecord, SuspensionStore,
} from '../../suspensions/contract.js'
import type { Errand, Gate } from './gate.js'
import type { SuspensionMemory } from './suspension-memory.js'

/** Operators wait longer than requests. */
const OPERATOR_PATIENCE_MS = 5_000

export interface GuardedSuspensionsOptions {
  readonly remote: SuspensionStore
  readonly local: LocalSuspensions
  readonly gate: Gate
  readonly memory: SuspensionMemory
}

interface Question { readonly subject: string, readonly now: number }

/** Never rejects for the store's sake. A message whose note was lost may be missing in the total. */
export function guardSuspensions (options: GuardedSuspensionsOptions): SuspensionStore {
  const { local, gate, memory } = options
  const { find, suspend, note } = errandsFor(options)
  const { get, lift, forget } = operatorsErrands(options)
  return {
    find: (subject, now) => memory.unsent(subject, now) ?? gate(find, { subject, now }),
    suspend: (request) => gate(suspend, request),
    note: (message) => gate(note, message),
    get: (subject) => gate(get, subject),
    async lift (subject, now) {
      const isLiftedHere = local.lift(subject, now)
      // Once more behind the suspensions that still wait.
      if (memory.length > 0) memory.keepLift(subject)
      const isLiftedThere = await gate(lift, { subject, now })
      return isLiftedHere || isLiftedThere
    },
    forget (subject) {
      local.forget(subject)
      if (memory.length > 0) memory.keepForgetting(subject)
      return gate(forget, subject)
    },
  }
}

function errandsFor ({ remote, local, memory }: GuardedSuspensionsOptions) {
  const find: Errand<Question, Suspension | undefined> = {
    send: ({ subject, now }) => remote.find(subject, now),
    instead: ({ subject, now }) => local.find(subject, now),
    arrived: ({ subject, now }, suspension) => memory.learn(subject, suspension, now),
  }
  const suspend: Errand<SuspendRequest, Suspension> = {
    send: (request) => remote.suspend(request),
    instead (request) {
      memory.keep(request)
      return local.suspend(request)
    },
    arrived: (_request, suspension) => local.adopt(suspension),
  }
  const note: Errand<NotedMessage, void> = {
    send: (message) => remote.note(message),
    instead (message, wasSent) {
      local.note(message)
      if (!wasSent) memory.keepNote(message)
    },
  }
  return { find, suspend, note }
}

function operatorsErrands ({ remote, local, memory }: GuardedSuspensionsOptions) {
  const get: Errand<string, SuspensionRecord | undefined> = {
    send: (subject) => remote.get(subject),
    instead: (subject) => local.get(subject),
    patienceMs: OPERATOR_PATIENCE_MS,
  }
  const lift: Errand<Question, boolean> = {
    send: ({ subject, now }) => remote.lift(subject, now),
    instead ({ subject }) {
      memory.keepLift(subject)
      return false
    },
    patienceMs: OPERATOR_PATIENCE_MS,
  }
  const forget: Errand<string, void> = {
    send: (subject) => remote.forget(subject),
    instead: (subject) => memory.keepForgetting(subject),
    patienceMs: OPERATOR_PATIENCE_MS,
  }
  return { get, lift, forget }
}
