import fc from 'fast-check'
import t from 'tap'
import { everyKeyExpires, startPlaces } from '../stores/redis-rig.js'
import { sequence } from './commands.js'
import { runSequence, START } from './compare.js'
import type { Actor } from './deeds.js'
import { FAULTS } from './faults.js'
import { note, type Met } from './met.js'
import { openMemory, openShared } from './places.js'

/** How many times as many sequences as usual. */
const TIMES = Number(process.env.MODEL_RUNS ?? 1)
/** What the sequences must have met, or they show nothing. */
const MUST_MEET = [
  'admitted', 'refused', 'observed', 'slot', 'no slot', 'repeated', 'repetition bound', 'added up', 'crossed',
  'address banned', 'address spared', 'user turned away', 'address turned away', 'lifted', 'lifted with address',
]

let now = START
let runs = 0
const met: Met = {}
const clock = () => now
const setTime = (instant: number): void => { now = instant }

t.setTimeout(110_000 * TIMES)
const places = await startPlaces(t)
const memory = openMemory(clock)
const [redis, cluster] = await Promise.all([openShared(t, places[0], clock), openShared(t, places[1], clock)])

t.test('in any sequence memory, two instances on one Redis, and the reference agree at every step', async () => {
  await agree({ actors: [memory, redis], numRuns: 250 * TIMES, bySubject: false })
})

t.test('on a Cluster too, where the hits of one subject are decided on together', async () => {
  await agree({ actors: [memory, cluster], numRuns: 100 * TIMES, bySubject: true })
})

t.test('the sequences meet all that there is', async (t) => {
  for (const what of MUST_MEET) t.ok((met[what] ?? 0) > 0, `${what}: ${met[what] ?? 0} times`)
})

for (const [fault, change] of FAULTS) {
  t.test(`the model notices a store that ${fault}`, async (t) => {
    const actors = [openMemory(clock, change)]
    const property = fc.asyncProperty(sequence, (sequence) =>
      runSequence(sequence, { actors, setTime, run: runs++, bySubject: false }))
    const { failed } = await fc.check(property, { numRuns: 1000, unbiased: true, endOnFailure: true })
    t.ok(failed)
  })
}

everyKeyExpires(t, places)

interface Agreement {
  readonly actors: readonly Actor[]
  readonly numRuns: number
  readonly bySubject: boolean
}

/** Rejects with the shortest list of commands after which one of them is not as the reference. */
async function agree ({ actors, numRuns, bySubject }: Agreement): Promise<void> {
  const property = fc.asyncProperty(sequence, (sequence) => runSequence(sequence, {
    actors, setTime, run: runs++, bySubject, onOutcome: (deed, outcome) => note(met, deed, outcome),
  }))
  await fc.assert(property, { numRuns, unbiased: true })
}
