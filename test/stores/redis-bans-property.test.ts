import fc from 'fast-check'
import t, { type Test } from 'tap'
import { banOf, NOW } from '../contract/bans.js'
import { until } from '../helpers/backends.js'
import { startRedis } from '../helpers/redis.js'
import { agree, bansInRedis, isSettled, openInstances, PATIENCE_MS, startWire, type Instance } from './ban-instances.js'

const INSTANCES = [0, 1, 2]
const SUBJECTS = ['user:a', 'user:b', 'ip:192.0.2.1']
const RUNS = 25
const BAN_MS = 3000

type Step =
  | { readonly kind: 'place' | 'lift', readonly at: number, readonly subject: string }
  | { readonly kind: 'cut' | 'mend', readonly at: number }
  | { readonly kind: 'flush' | 'rest' }

const at = fc.constantFrom(...INSTANCES)
const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('place', 'lift'), at, subject: fc.constantFrom(...SUBJECTS) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('cut', 'mend'), at }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'rest' }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'flush' }) }
)

/** What must hold in the end: who was banned after his last lift. */
function createModel () {
  const placedAt = new Map<string, number>()
  const liftedAt = new Map<string, number>()
  return {
    place: (subject: string, instant: number) => placedAt.set(subject, instant),
    lift: (subject: string, instant: number) => liftedAt.set(subject, Math.max(instant, liftedAt.get(subject) ?? 0)),
    banned: () => SUBJECTS.filter((subject) => (placedAt.get(subject) ?? 0) > (liftedAt.get(subject) ?? 0)),
  }
}

t.test('whatever is banned, lifted, cut, mended and flushed: in the end all agree, no ban is lost and no lift undone', async (t) => {
  const redis = await startRedis(t)
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 24 }), async (steps) => {
    await t.test(JSON.stringify(steps.map(tell)), async (t) => play(t, steps, redis))
    if (!t.passing()) throw new Error(JSON.stringify(steps))
  }), { numRuns: RUNS, endOnFailure: true })
})

function tell (step: Step): string {
  return [step.kind, 'at' in step ? step.at : '', 'subject' in step ? step.subject : ''].join(' ').trim()
}

async function play (t: Test, steps: readonly Step[], redis: Awaited<ReturnType<typeof startRedis>>): Promise<void> {
  let instant = NOW
  const wires = await Promise.all(INSTANCES.map(() => startWire(t, redis.port)))
  const instances = await openInstances(t, wires.map((wire) => wire.url), () => instant)
  const connected = new Set(INSTANCES)
  const model = createModel()
  const underWay: Promise<unknown>[] = []
  for (const step of steps) {
    instant++
    const { book } = instances['at' in step ? step.at : 0] as Instance
    switch (step.kind) {
      case 'place':
        model.place(step.subject, instant)
        underWay.push(book.place([banOf(step.subject, { createdAt: instant, expiresAt: instant + BAN_MS })]))
        break
      case 'lift':
        if (book.get(step.subject) !== undefined) model.lift(step.subject, instant)
        underWay.push(book.lift(step.subject, { by: 'test' }))
        break
      case 'cut':
        wires[step.at]?.cut()
        connected.delete(step.at)
        break
      case 'mend':
        wires[step.at]?.mend()
        connected.add(step.at)
        break
      case 'flush':
        await redis.cli('FLUSHALL')
        break
      case 'rest':
        await until(() => [...connected].every((i) => isSettled(instances[i] as Instance)), PATIENCE_MS)
    }
  }
  for (const wire of wires) wire.mend()
  await Promise.all(underWay)
  const wanted = model.banned()
  t.ok(await agree(instances, wanted), `${JSON.stringify(instances.map((one) => one.bans()))}, wanted ${JSON.stringify(wanted)}`)
  t.ok(await until(async () => (await bansInRedis(instances[0] as Instance)).size === wanted.length, PATIENCE_MS))
  t.ok(await agree(instances, wanted), 'and it stays so')
  const views = () => instances.map(({ book }) => JSON.stringify(wanted.map((subject) => book.get(subject))))
  t.ok(await until(() => new Set(views()).size === 1, PATIENCE_MS), 'the same bans everywhere, whole')
}
