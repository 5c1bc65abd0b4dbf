import { MongoServerError, type ChangeStream, type ChangeStreamDocument } from 'mongodb'
import type { Log } from '../../log.js'
import { BACKEND_KEYS } from './backend-row.js'
import { faultOf } from './faults.js'
import type { Mongo } from './mongo.js'

/** The server answers an idle stream well before the socket's own time-out. */
const AWAIT_MS = 1000
/** A stream that has just been asked for may miss what is deleted before the server has opened it. */
const SETTLED_MS = 5000
/** A server that has no streams, or grants us none, is asked again after that time. */
const REFUSED_AGAIN_MS = 10 * 60_000
const BROKEN_AGAIN_MS = 2000
const REOPENED_MS = 1000

const OURS = { $gte: 'portcullis:', $lt: 'portcullis;' } as const
const DELETIONS = [
  { operationType: 'delete', 'documentKey._id': OURS },
  { operationType: { $in: ['drop', 'rename', 'dropDatabase', 'invalidate'] } },
]
/** What becomes of the app's own bans; of a deletion or a change the server says no more than which document it was. */
const BACKENDS = [
  { operationType: { $in: ['insert', 'replace'] }, 'fullDocument.key': BACKEND_KEYS },
  { operationType: { $in: ['update', 'delete'] }, 'documentKey._id': { $not: OURS } },
]
const WITHIN_DOCUMENTS: readonly string[] = ['insert', 'replace', 'update', 'delete']

/** What may have changed: documents of ours, or the app's own bans. */
export type Rung = 'ours' | 'backend'

/**
 * Rings when something of ours was deleted, or the app's bans changed, where the server can tell. What exactly, whoever
 * hears it looks up.
 */
export interface DeletionBell {
  /** Listens, unless it does already or was refused lately. Rejects while the server is away. */
  open (): Promise<void>
  /** Whether to listen for the app's bans too; false at first. */
  listenToBackend (isOn: boolean): void
  /** False: nobody would ring, or not yet for sure. */
  readonly isReliable: boolean
  close (): Promise<void>
}

export interface DeletionBellDeps {
  readonly mongo: Pick<Mongo, 'logs' | 'hasChangeStreams'>
  readonly ring: (what: Rung) => void
  readonly log: Log
}

export function createDeletionBell ({ mongo, ring, log }: DeletionBellDeps): DeletionBell {
  let stream: ChangeStream | undefined
  let hearsBackend = false
  let openedAt = 0
  let askAgainAt = 0

  function listen (): void {
    const pipeline = [{ $match: { $or: hearsBackend ? [...DELETIONS, ...BACKENDS] : DELETIONS } }]
    const opened = mongo.logs.watch(pipeline, { maxAwaitTimeMS: AWAIT_MS })
    stream = opened
    openedAt = performance.now()
    opened.on('change', (change) => change.operationType === 'invalidate' ? leave(opened) : ring(ofWhom(change)))
    opened.on('error', (error: unknown) => {
      if (stream === opened) told(error)
      leave(opened)
    })
    // The driver closes its cursor also to open another, and before it tells of an error.
    opened.on('close', () => {
      setTimeout(() => { if (opened.closed) leave(opened) }, REOPENED_MS).unref()
    })
  }

  function told (error: unknown): void {
    const isRefused = error instanceof MongoServerError
    askAgainAt = performance.now() + (isRefused ? REFUSED_AGAIN_MS : BROKEN_AGAIN_MS)
    if (isRefused) log.info(faultOf(error), 'MongoDB does not tell of deletions: we look for them')
  }

  function leave (left: ChangeStream): void {
    if (stream !== left) return
    stream = undefined
    left.close().catch(() => {})
    // What it would have told meanwhile must be looked up.
    ring('ours')
  }

  return {
    async open () {
      if (stream !== undefined || performance.now() < askAgainAt) return
      const canWatch = await mongo.hasChangeStreams()
      askAgainAt = performance.now() + (canWatch ? BROKEN_AGAIN_MS : REFUSED_AGAIN_MS)
      if (canWatch) listen()
    },
    listenToBackend (isOn) {
      if (hearsBackend === isOn) return
      hearsBackend = isOn
      if (stream !== undefined) leave(stream)
      askAgainAt = Math.min(askAgainAt, performance.now())
    },
    get isReliable () { return stream !== undefined && performance.now() - openedAt > SETTLED_MS },
    close: async () => {
      const last = stream
      stream = undefined
      await last?.close().catch(() => {})
    },
  }
}

function ofWhom (change: ChangeStreamDocument): Rung {
  if (!WITHIN_DOCUMENTS.includes(change.operationType) || !('documentKey' in change)) return 'ours'
  const id: unknown = change.documentKey._id
  return typeof id === 'string' && id.startsWith('portcullis:') ? 'ours' : 'backend'
}
