import type { IncomingHttpHeaders } from 'node:http'
import type { AnswerObserver } from '../exchange.js'

export type Outcome = Parameters<AnswerObserver['onEnd']>[0]
/** Told of an observer or reply that threw; the request goes on without it. */
export type Report = (error: unknown) => void

/** The observers of one answer as one: each call reaches all, a throwing one is reported and harms nobody. */
export interface Watch {
  head (status: number, headers: IncomingHttpHeaders): void
  data (chunk: Buffer): void
  /** Only the first call counts. */
  end (outcome: Outcome): void
}

export function watchAnswer (observers: readonly AnswerObserver[], report: Report): Watch {
  return observers.length === 0 ? unwatched : createWatch(observers, report)
}

const unwatched: Watch = { head () {}, data () {}, end () {} }

function createWatch (observers: readonly AnswerObserver[], report: Report): Watch {
  let readers: AnswerObserver[] = []
  let headed = false
  let ended = false
  const each = (list: readonly AnswerObserver[], tell: (observer: AnswerObserver) => void): void => {
    for (const observer of list) {
      try {
        tell(observer)
      } catch (error) {
        readers = readers.filter((reader) => reader !== observer)
        report(error)
      }
    }
  }
  return {
    head (status, headers) {
      if (headed || ended) return
      headed = true
      each(observers, (observer) => { if (observer.onHead(status, headers).body) readers.push(observer) })
    },
    data (chunk) {
      if (readers.length > 0 && !ended) each(readers, (observer) => observer.onData?.(chunk))
    },
    end (outcome) {
      if (ended) return
      ended = true
      each(observers, (observer) => { observer.onEnd(outcome) })
    },
  }
}
