import { createConditions } from '../conditions/conditions.js'
import type { Holds } from '../conditions/contract.js'
import type { GroupPlace } from './contract.js'
import { isBodyPlace, isHeadPlace, readBodyPlace, type BodyPlace, type HeadPlace } from './places.js'

/** Where a source's group stands. */
export interface GroupPlaces {
  readonly head: readonly HeadPlace[]
  readonly body: readonly GroupBodyPlace[]
}

interface GroupBodyPlace extends Pick<BodyPlace, 'pointer'> {
  /** No group stands there in bodies for which this holds; undefined: in none. */
  readonly unless: Holds | undefined
}

export function groupPlacesOf (places: readonly GroupPlace[]): GroupPlaces {
  const body = places.flatMap((place): GroupBodyPlace[] => isBodyPlace(place)
    // Whoever spells the condition's names otherwise does not get rid of his group so.
    ? [{ pointer: place.pointer, unless: place.unless === undefined ? undefined : createConditions(place.unless, 'fails') }]
    : [])
  return { head: places.filter(isHeadPlace), body }
}

/** What stands in each place; see `readBodyPlace`. */
export function groupValues (places: GroupPlaces['body'], body: unknown): (readonly unknown[])[] {
  return places.map((place) => place.unless?.(body) === true ? [] : readBodyPlace(place, body))
}
