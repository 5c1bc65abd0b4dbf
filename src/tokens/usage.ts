import { followPointer } from '../json-pointer.js'
import type { Pointer, UsagePlaces } from './contract.js'

/** More than any answer takes: what a backend says beyond must not end a budget for good. */
const MOST_USED = 10_000_000

/** What an answer said of itself; undefined: nothing. */
export interface Usage {
  readonly input: number | undefined
  readonly output: number | undefined
}

const NOTHING: Usage = { input: undefined, output: undefined }

/**
 * Adds up what one answer says of its usage, in one document or in many events. Numbers that come again are the same
 * number grown: the largest of each place counts.
 */
export class UsageTally {
  readonly #sums: readonly { readonly places: UsagePlaces, readonly input: Sum, readonly output: Sum }[]

  constructor (usage: readonly UsagePlaces[]) {
    this.#sums = usage.map((places) => ({ places, input: new Sum(places.input), output: new Sum(places.output) }))
  }

  /** Answers whether the document says how long the answer is by now. */
  read (document: unknown): boolean {
    let tellsOutput = false
    for (const { places, input, output } of this.#sums) {
      for (const at of places.at) {
        const numbers = followPointer(document, at)
        if (typeof numbers !== 'object' || numbers === null) continue
        input.read(numbers)
        if (output.read(numbers)) tellsOutput = true
      }
    }
    return tellsOutput
  }

  /** By the places that speak of most. */
  get usage (): Usage {
    let largest = NOTHING
    for (const { input, output } of this.#sums) {
      const usage = { input: input.total, output: output.total }
      if (sizeOf(usage) > sizeOf(largest)) largest = usage
    }
    return largest
  }
}

class Sum {
  readonly #pointers: readonly Pointer[]
  readonly #largest = new Map<Pointer, number>()

  constructor (pointers: readonly Pointer[]) {
    this.#pointers = pointers
  }

  read (numbers: object): boolean {
    let isTold = false
    for (const pointer of this.#pointers) {
      const value = followPointer(numbers, pointer)
      if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) continue
      const tokens = Math.min(Math.ceil(value), MOST_USED)
      this.#largest.set(pointer, Math.max(this.#largest.get(pointer) ?? 0, tokens))
      isTold = true
    }
    return isTold
  }

  get total (): number | undefined {
    if (this.#largest.size === 0) return undefined
    return [...this.#largest.values()].reduce((sum, tokens) => sum + tokens, 0)
  }
}

/** Nothing said is less than 0. */
function sizeOf ({ input, output }: Usage): number {
  return (input ?? -1) + (output ?? -1)
}
