import type { Log } from '../log.js'
import type { BanEvent } from './contract.js'

export type BanListener = (event: BanEvent) => void

/** Those who are told of every placed and lifted ban. One that fails harms nobody. */
export function createBanListeners (log: Log) {
  const listeners = new Set<BanListener>()
  return {
    /** Until the answer is called. */
    add (listener: BanListener): () => void {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    tell (event: BanEvent): void {
      for (const listener of listeners) {
        try {
          listener(event)
        } catch (error) {
          log.error({ err: error }, 'a listener to bans failed')
        }
      }
    },
  }
}
