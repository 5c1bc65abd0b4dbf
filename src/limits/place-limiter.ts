import type { Limiter, OnFailure } from './contract.js'

export interface PlaceOptions extends Pick<Limiter, 'durable' | 'many'> {
  /** Of our own; those of a policy's limiters begin otherwise. */
  readonly name: string
  readonly windowMs: number
  /** Survives a restart of the memory store. */
  readonly persist: boolean
  readonly onFailure: OnFailure
}

/** A limiter of one place, for what may happen once in so long; nobody is refused or scored by it. */
export function placeLimiter ({ name, windowMs, persist, onFailure, ...kept }: PlaceOptions): Limiter {
  return {
    name,
    key: ['global'],
    max: 1,
    windowMs,
    algorithm: 'fixed-window',
    burst: 1,
    anonymous: 'skip',
    only: undefined,
    countStatus: [],
    persist,
    ...kept,
    violation: undefined,
    score: 0,
    status: 429,
    type: undefined,
    shownAs: undefined,
    message: undefined,
    observe: false,
    onFailure,
    tokens: undefined,
    after: 'head',
    suspend: undefined,
    drop: undefined,
  }
}
