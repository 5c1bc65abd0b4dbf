import type { Journal, ViolationRecord } from '../violations/contract.js'

/** Records that may be on their way to the primary; more are counted and dropped. */
const MAX_PENDING = 10_000
/** In one message, so that none holds up the connections behind it. */
const MAX_BATCH = 500

export interface JournalSenderOptions {
  /** Hands records to the primary, which answers for each with `kept`. */
  send (records: readonly ViolationRecord[]): void
  onDropped (count: number): void
  readonly maxPending?: number
}

export interface JournalSender extends Journal {
  /** The primary has so many more. */
  kept (count: number): void
  /** Resolves once the primary has all, or after `withinMs`. */
  flush (withinMs: number): Promise<void>
}

/** A worker's journal: the primary alone writes the file. */
export function createJournalSender (options: JournalSenderOptions): JournalSender {
  const { send, onDropped, maxPending = MAX_PENDING } = options
  let queue: ViolationRecord[] = []
  let pending = 0
  let whenKept: (() => void) | undefined

  function sendQueue (): void {
    const records = queue
    queue = []
    for (let from = 0; from < records.length; from += MAX_BATCH) send(records.slice(from, from + MAX_BATCH))
  }

  return {
    append (record) {
      if (pending >= maxPending) {
        onDropped(1)
        return
      }
      pending++
      // Everything that is appended in this turn goes out together.
      if (queue.push(record) === 1) setImmediate(sendQueue)
    },
    kept (count) {
      pending = Math.max(0, pending - count)
      if (pending === 0) whenKept?.()
    },
    async flush (withinMs) {
      if (pending === 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, withinMs)
      whenKept = resolve
      await promise
      clearTimeout(timer)
    },
  }
}
