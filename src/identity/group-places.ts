import { createConditions } from '../conditions/conditions.js'
import type { Holds } from '../conditions/contract.js'
import { followPointer } from '../json-pointer.js'
import type { GroupPlace } from './contract.js'
import { isBodyPlace, isHeadPlace, type HeadPlace } from './places.js'

/** Where a source's group stands. */
export interface GroupPlaces {
  readonly head: readonly HeadPlace[]
  readonly body: readonly GroupBodyPlace[]
}

interface GroupBodyPlace {
  readonly pointer: readonly string[]
  /** No group stands there in bodies for which this holds; undefined: in none. */
  readonly unless: Holds | undefined
}

export function groupPlacesOf (places: readonly GroupPlace[]): GroupPlaces {
  const body = places.flatMap((place): GroupBodyPlace[] => isBodyPlace(place)
    ? [{ pointer: place.pointer, unless: place.unless === undefined ? undefined : createConditions(place.unless) }]
    : [])
  return { head: places.filter(isHeadPlace), body }
}

/** What stands in each place. */
export function groupValues (places: GroupPlaces['body'], body: unknown): unknown[] {
  return places.map(({ pointer, unless }) => unless?.(body) === true ? undefined : followPointer(body, pointer))
}
