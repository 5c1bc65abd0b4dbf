import { visitValues } from '../json-members.js'
import type { CredentialPlace, IdentityRequest } from './contract.js'
import { cookieValues, decodeText } from './cookies.js'
import { fieldValues } from './head-fields.js'

export type BodyPlace = Extract<CredentialPlace, { in: 'body' }>
export type HeadPlace = Exclude<CredentialPlace, { in: 'body' | 'address' }>

export function isBodyPlace (place: CredentialPlace): place is BodyPlace {
  return place.in === 'body'
}

export function isHeadPlace (place: CredentialPlace): place is HeadPlace {
  return place.in !== 'body' && place.in !== 'address'
}

/** Every text that stands in that place of the head, in order; empty texts are none. */
export function readPlace (place: HeadPlace, request: IdentityRequest): string[] {
  return textsOf(place, request).filter((text) => text !== '')
}

/** As `readPlace`, of several places. */
export function textsAt (places: readonly HeadPlace[], request: IdentityRequest): string[] {
  return places.flatMap((place) => readPlace(place, request))
}

/**
 * Every different value that a backend may find in that place of the body: some do not tell capital letters in names
 * from small ones.
 */
export function readBodyPlace ({ pointer }: Pick<BodyPlace, 'pointer'>, body: unknown): unknown[] {
  const values = new Set<unknown>()
  visitValues(body, pointer, (value) => { values.add(value) })
  return [...values]
}

function textsOf (place: HeadPlace, request: IdentityRequest): string[] {
  switch (place.in) {
    case 'header': {
      if (request.headers[place.name] === undefined) return []
      const values = fieldValues(request.rawHeaders, place.name)
      return place.scheme === undefined ? values.map((value) => value.trim()) : values.flatMap(bearerTokens)
    }
    case 'cookie':
      return request.headers.cookie === undefined ? [] : cookiesOf(request, place.name)
    case 'query':
      return request.query === '' ? [] : new URLSearchParams(request.query).getAll(place.name)
    case 'path': {
      const value = Object.hasOwn(request.params, place.name) ? request.params[place.name] : undefined
      return value === undefined ? [] : [decodeText(value)]
    }
  }
}

function cookiesOf ({ rawHeaders }: IdentityRequest, name: string): string[] {
  return fieldValues(rawHeaders, 'cookie').flatMap((header) => cookieValues(header, name))
}

/** `Bearer TOKEN` in any case and spacing, what follows the token ignored, several of them with commas between. */
function bearerTokens (value: string): string[] {
  return value.split(',').flatMap((part) => {
    const [scheme, token] = part.trim().split(/\s+/, 2)
    return scheme?.toLowerCase() === 'bearer' && token !== undefined ? [token] : []
  })
}
