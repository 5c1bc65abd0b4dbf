/**
 * One call of `decide.lua`: everything that must be counted, booked and taken in one atomic step. Counters, scores and
 * leases all ask through it. Booked subjects are noted in the index in passing.
 */
import type { SlotRequest } from '../../concurrency/contract.js'
import { observedId } from '../../limits/contract.js'
import type { Breach } from '../../violations/contract.js'
import { createCallArguments, type CallArguments } from './call-arguments.js'
import type { RedisLink } from './contract.js'
import { MILLIONTHS, readAnswer, type Answer, type DueBooking, type PlacedHit, type Question } from './decide-call.js'
import { bookingsKeys, leasesKey, scoresKey, slotsKey, suspensionKey, windowKey } from './key-names.js'
import { kindOf } from './kinds.js'
import type { ScoredSubjects } from './scored-subjects.js'
import { defineScript, runScript } from './scripts.js'

const script = defineScript('decide', [
  'basics', 'algorithms', 'sliding-log', 'windows', 'violations', 'slots', 'suspensions', 'decide',
].map((name) => new URL(`./${name}.lua`, import.meta.url)))

export interface Decider {
  readonly link: RedisLink
  readonly subjects: ScoredSubjects
  /** One trip. Rejects as the connection does. */
  ask (question: Question): Promise<Answer>
  /** True when scores of this breach's subject can be booked in one step with what belongs to the other subject. */
  lieTogether (breach: Breach, subject: string): boolean
}

export function createDecider (link: RedisLink, subjects: ScoredSubjects): Decider {
  function lieTogether (breach: Breach, subject: string): boolean {
    return !link.isCluster || breach.subject === subject
  }

  function putBreach (call: CallArguments, { id, breach, ageMs }: DueBooking): void {
    const { type, subject, score, interval, scope, ttlMs, shadow } = breach
    call.putKey(scoresKey(link, subject, shadow))
    for (const key of bookingsKeys(link, subject)) call.putKey(key)
    const numbers = `${Math.round(score * MILLIONTHS)} ${interval} ${scope} ${ttlMs ?? -1} ${subjects.keepMs(breach)}`
    call.put(id, type, `${numbers} ${Math.round(ageMs)}`)
  }

  function putBreachIfHere (
    call: CallArguments, { id, breach, subject }: { id: string, breach: Breach | undefined, subject: string }
  ): void {
    const isHere = breach !== undefined && lieTogether(breach, subject)
    call.put(isHere ? 1 : 0)
    if (isHere) putBreach(call, { id, breach, ageMs: 0 })
  }

  function putHit (call: CallArguments, id: string, hit: PlacedHit): void {
    const { limiter, subject, cost, peek, breach, place } = hit
    const { max, windowMs, burst, observe } = limiter
    call.putKey(windowKey(link, hit))
    call.put(`${kindOf(limiter)} ${max} ${windowMs} ${burst} ${cost} ${peek ? 1 : 0} ${observe ? 1 : 0}`)
    putBreachIfHere(call, { id: observe ? observedId(id, place) : id, breach, subject })
  }

  function putSlot (call: CallArguments, id: string, slot: SlotRequest): void {
    const { lease, max, leaseMs, unlessRepeated, breach } = slot
    call.putKey(slotsKey(link, lease))
    call.putKey(leasesKey(link, lease))
    call.put(lease.id, `${lease.takenAt} ${max} ${leaseMs}`)
    if (unlessRepeated === undefined) call.put(0)
    else call.put(1, unlessRepeated)
    putBreachIfHere(call, { id, breach, subject: lease.holder })
  }

  function putWatched (call: CallArguments, watched: string | undefined): void {
    call.put(watched === undefined ? 0 : 1)
    if (watched !== undefined) call.putKey(suspensionKey(link, watched))
  }

  return {
    link,
    subjects,
    lieTogether,
    async ask (question) {
      const { id, now, watched, due, hits, slots } = question
      const call = createCallArguments()
      call.put(link.now(now))
      putWatched(call, watched)
      call.put(due.length)
      for (const booking of due) putBreach(call, booking)
      call.put(hits.length)
      for (const hit of hits) putHit(call, id, hit)
      call.put(slots.length)
      for (const slot of slots) putSlot(call, id, slot)
      const answer = readAnswer(await runScript(link.fast, script, call.keys, call.args), question)
      noteBooked(subjects, question, answer)
      return answer
    },
  }
}

function noteBooked (subjects: ScoredSubjects, { due, slots }: Question, answer: Answer): void {
  answer.due.forEach((booking, index) => subjects.note(due[index]?.breach, booking))
  for (const { hit, booking } of answer.full) subjects.note(hit.breach, booking)
  answer.slots.forEach(({ booking }, index) => subjects.note(slots[index]?.breach, booking))
}
