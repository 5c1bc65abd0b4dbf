import type { NotedMessage, SuspensionStore } from '../../suspensions/contract.js'
import { Outbox, type OutboxOptions } from './outbox.js'

/** Subjects whose messages wait, at most; those of further ones are not counted. */
const MAX_WAITING = 5_000

export interface NoteOutboxOptions extends Omit<OutboxOptions<never>, 'name' | 'send' | 'maxItems'> {
  readonly remote: Pick<SuspensionStore, 'note'>
}

/** Messages that the shared store must still count: one item a subject, however many they were. */
export interface NoteOutbox {
  keep (message: NotedMessage): void
  close (withinMs: number): Promise<number>
}

interface Waiting { message: NotedMessage }

export function createNoteOutbox (options: NoteOutboxOptions): NoteOutbox {
  const { remote, clock } = options
  const waiting = new Map<string, Waiting>()
  const outbox = new Outbox<Waiting>({ ...options, name: 'totals of messages', maxItems: 2 * MAX_WAITING, send })

  async function send (item: Waiting): Promise<void> {
    const { message } = item
    // What comes from now on is another item.
    waiting.delete(keyOf(message))
    await remote.note({ ...message, ageMs: Math.max(0, clock() - message.now) })
  }

  return {
    keep (message) {
      const key = keyOf(message)
      const known = waiting.get(key)
      if (known !== undefined) {
        known.message = { ...message, times: timesOf(known.message) + timesOf(message) }
      } else if (waiting.size < MAX_WAITING) {
        const item = { message }
        waiting.set(key, item)
        outbox.put(item)
      }
    },
    close: (withinMs) => outbox.close(withinMs),
  }
}

function keyOf ({ subject, refused }: NotedMessage): string {
  return `${refused ? 'refused' : 'clean'} ${subject}`
}

function timesOf ({ times = 1 }: NotedMessage): number {
  return times
}
