/** The doorman with a classifier behind him. Nobody is asked before a policy has him. */
import { openClassifier } from '../classifier/classifier.js'
import { createDoorman, MOST_ANSWER_TOKENS, type Doorman } from '../doorman/doorman.js'
import { createFailureReport } from '../store-failure.js'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { Foundation } from './foundation.js'

export interface OpenDoormanOptions {
  readonly foundation: Pick<Foundation, 'stores' | 'metrics'>
  readonly clock: Clock
  readonly log: Log
}

export function openDoorman ({ foundation: { stores, metrics }, clock, log }: OpenDoormanOptions): Doorman {
  return createDoorman({
    counters: stores.counters,
    clock,
    meters: metrics.doorman,
    connect: (endpoint) => openClassifier(endpoint, { maxTokens: MOST_ANSWER_TOKENS }),
    onChange: (isAway) => {
      if (isAway) log.warn({}, 'the doorman\'s classifier fails again and again: it is left alone for a while')
      else log.info({}, 'the doorman\'s classifier answers again')
    },
    onStoreError: createFailureReport(log, clock),
  })
}
