import type { Charge, CounterStore } from '../../limits/contract.js'
import type { Decider } from './decider.js'
import { windowKey } from './key-names.js'
import { kindOf } from './kinds.js'
import { partsOf, wholeOf } from './parts.js'
import { defineScript, runScript } from './scripts.js'
import { Tally } from './tally.js'

const script = defineScript('charge', ['basics', 'algorithms', 'sliding-log', 'windows', 'charge']
  .map((name) => new URL(`./${name}.lua`, import.meta.url)))

/** Counters in Redis. A decision is one trip; on a Cluster one a subject, the next only when the last admitted. */
export function createRedisCounters (decider: Decider): CounterStore {
  const { link } = decider

  async function change (how: 'charge' | 'refund', charge: Charge): Promise<void> {
    const { limiter, cost, now, taken } = charge
    const { max, windowMs, burst } = limiter
    // Nothing passes: there is nothing to count.
    if (max <= 0) return
    const since = taken === undefined ? [] : [taken.at, taken.remaining]
    const args = [link.now(now), how, kindOf(limiter), max, windowMs, burst, cost, ...since]
    await runScript(link.fast, script, [windowKey(link, charge)], args)
  }

  return {
    async decide (request) {
      const tally = new Tally(request, decider)
      const parts = link.isCluster ? partsOf(request) : wholeOf(request)
      while (!tally.isRefused) {
        const part = parts.shift()
        if (part === undefined) break
        await tally.ask(part)
      }
      await tally.conclude(parts)
      return tally.decision
    },
    charge: (charge) => change('charge', charge),
    refund: (charge) => change('refund', charge),
  }
}
