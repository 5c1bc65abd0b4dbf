/** The end of an answer that is too long to be read. */
import { parseJson } from '../parse-json.js'
import type { Pointer, UsagePlaces } from './contract.js'

/** Keeps what comes, or the end of it once it is too long. */
export class Ending {
  readonly #most: number
  readonly #mostOfEnd: number
  #chunks: Buffer[] = []
  #bytes = 0
  #isWhole = true

  /** Bytes that are kept of the whole, and of the end of something longer. */
  constructor (most: number, mostOfEnd: number) {
    this.#most = most
    this.#mostOfEnd = mostOfEnd
  }

  get isWhole (): boolean {
    return this.#isWhole
  }

  push (chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes <= this.#most) return
    this.#isWhole = false
    const end = Buffer.from(Buffer.concat(this.#chunks).subarray(-this.#mostOfEnd))
    this.#chunks = [end]
    this.#bytes = end.length
  }

  read (): string {
    return Buffer.concat(this.#chunks).toString()
  }
}

/**
 * What the end of a JSON document says of usage, as documents of its own. The last map of that name counts: within
 * texts, which clients can bring about, quotes are escaped.
 */
export function usagesAtTheEnd (text: string, usage: readonly UsagePlaces[]): unknown[] {
  return usage.flatMap((places) => places.at.map((at) => at.length === 0
    ? numbersIn(text, [...places.input, ...places.output])
    : nested(at, mapNamed(text, at.at(-1) ?? ''))))
}

/** The last member of this name, where it is a map that is whole. */
function mapNamed (text: string, name: string): unknown {
  const found = lastMember(text, name)
  if (found === undefined || text[found] !== '{') return undefined
  let depth = 0
  for (let i = found; i < text.length; i++) {
    if (text[i] === '{') depth++
    else if (text[i] === '}' && --depth === 0) return parseJson(text.slice(found, i + 1))
  }
  return undefined
}

function numbersIn (text: string, pointers: readonly Pointer[]): unknown {
  const numbers: Record<string, unknown> = {}
  for (const [name, ...rest] of pointers) {
    if (name === undefined || rest.length > 0) continue
    const from = lastMember(text, name)
    if (from !== undefined) numbers[name] = Number.parseFloat(text.slice(from, from + LONGEST_NUMBER))
  }
  return numbers
}

const LONGEST_NUMBER = 32
const VALUE = /\s*:\s*/y

/** Where the value of the last member of this name begins. */
function lastMember (text: string, name: string): number | undefined {
  const key = JSON.stringify(name)
  for (let at = text.lastIndexOf(key); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(key, at - 1)) {
    VALUE.lastIndex = at + key.length
    if (VALUE.test(text)) return VALUE.lastIndex
  }
  return undefined
}

function nested (at: Pointer, value: unknown): unknown {
  return at.reduceRight((inner, name) => ({ [name]: inner }), value)
}
