import type { SlotRequest } from '../../concurrency/contract.js'
import type { DecisionRequest } from '../../limits/contract.js'
import type { PlacedHit } from './decide-call.js'

/** What one call decides. */
export interface Part {
  /** Whose keys it touches, on a Cluster. */
  readonly subject: string
  readonly hits: readonly PlacedHit[]
  readonly slots: readonly SlotRequest[]
  /** Subject whose suspension is looked at; of the first part only. */
  readonly watched?: string | undefined
}

interface GrowingPart extends Part {
  readonly hits: PlacedHit[]
  readonly slots: SlotRequest[]
}

/** The whole request, for a Redis where a script may touch every key. */
export function wholeOf ({ hits, slots, watched }: DecisionRequest): Part[] {
  if (hits.length === 0 && slots.length === 0 && watched === undefined) return []
  return [{ subject: '', hits: hits.map((hit, place) => ({ ...hit, place })), slots, watched }]
}

/**
 * A call a subject, for a Cluster: in the order in which the hits first name them, and then the slots. Slots wait for
 * every hit, and what a hit observed is booked with its subject's own call, so that subject comes last. Before all others
 * comes the watched subject: with its own hits, unless these wait for somebody else's, since slots follow them.
 */
export function partsOf (request: DecisionRequest): Part[] {
  const { watched } = request
  const parts = partsBySubject(request)
  if (watched === undefined) return parts
  const own = parts.findIndex(({ subject }) => subject === watched)
  if (own < 0 || (own > 0 && (parts[own]?.slots.length ?? 0) > 0)) return [{ ...emptyPart(watched), watched }, ...parts]
  const [part = emptyPart(watched)] = parts.splice(own, 1)
  return [{ ...part, watched }, ...parts]
}

function partsBySubject ({ hits, slots }: DecisionRequest): Part[] {
  const bySubject = new Map<string, GrowingPart>()
  hits.forEach((hit, place) => {
    const part = bySubject.get(hit.subject) ?? emptyPart(hit.subject)
    part.hits.push({ ...hit, place })
    bySubject.set(hit.subject, part)
  })
  const last = slots[0]?.lease.holder ?? hits.find(({ breach }) => breach?.shadow)?.breach?.subject ?? ''
  const parts = [...bySubject.values()].filter(({ subject }) => subject !== last)
  const lastPart = bySubject.get(last)
  if (lastPart !== undefined) parts.push(lastPart)
  for (const slot of slots) {
    const { holder } = slot.lease
    if (parts.at(-1)?.subject !== holder) parts.push(emptyPart(holder))
    parts.at(-1)?.slots.push(slot)
  }
  return parts
}

function emptyPart (subject: string): GrowingPart {
  return { subject, hits: [], slots: [] }
}
