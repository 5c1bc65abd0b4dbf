import { endOfText, endOfValue, skipBlank } from '../json-text.js'
import { givesSomething, type EditNode } from './edit-tree.js'

const MARK = 0xfeff
const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d
const LIST_INDEX = /^(?:0|[1-9]\d{0,8})$/

/** A map or list that is open, on the way to a place that is edited. */
interface Place {
  readonly isMap: boolean
  readonly opensAt: number
  readonly below: ReadonlyMap<string | number, EditNode>
  /** Which of them are there. */
  readonly met: Set<EditNode>
  index: number
  /** Where the last value ends that stays; -1: none has yet. */
  keptEnd: number
  /** Values were taken out, and none before them stays. */
  hasLost: boolean
}

/**
 * Goes through a JSON text once and copies it, with what edits make of it. Only maps and lists that lead to a place that
 * is edited are taken apart; all else is passed over.
 */
export class EditPass {
  readonly #text: string
  readonly #open: Place[] = []
  #out = ''
  #at: number
  /** Up to where the text has been copied or left out. */
  #copied = 0

  /** @param text valid JSON; of anything else it makes some text. */
  constructor (text: string, root: EditNode) {
    this.#text = text
    this.#at = skipBlank(text, text.charCodeAt(0) === MARK ? 1 : 0)
    if (root.written !== undefined) this.#replace(root)
    else this.#enter(root)
  }

  /** Goes on for about so many characters; true: it is through. */
  advance (characters: number): boolean {
    const end = this.#at + characters
    for (let place = this.#open.at(-1); place !== undefined; place = this.#open.at(-1)) {
      if (this.#at >= this.#text.length) break
      if (this.#at >= end) return false
      this.#step(place)
    }
    this.#copyTo(this.#text.length)
    return true
  }

  get result (): string {
    return this.#out
  }

  #step (place: Place): void {
    this.#at = skipBlank(this.#text, this.#at)
    switch (this.#text.charCodeAt(this.#at)) {
      case COMMA: this.#at++; break
      case CLOSE_MAP: case CLOSE_LIST: this.#close(place); break
      default: this.#pass(place)
    }
  }

  /** One member or element. */
  #pass (place: Place): void {
    const start = this.#at
    // The first that stays stands where the first stood.
    if (place.hasLost) this.#copied = start
    const node = place.below.get(place.isMap ? this.#readName() : place.index++)
    if (node === undefined) this.#at = endOfValue(this.#text, this.#at)
    else {
      place.met.add(node)
      if (node.written !== undefined && !givesSomething(node)) return this.#takeOut(place, start)
      if (node.written !== undefined) this.#replace(node)
      else this.#enter(node)
    }
    place.keptEnd = this.#at
    place.hasLost = false
  }

  #readName (): string {
    const end = this.#text.charCodeAt(this.#at) === QUOTE ? endOfText(this.#text, this.#at) : this.#at
    const written = this.#text.slice(this.#at, end + 1)
    this.#at = skipBlank(this.#text, end + 1)
    if (this.#text.charCodeAt(this.#at) === COLON) this.#at = skipBlank(this.#text, this.#at + 1)
    return written.includes('\\') ? JSON.parse(written) as string : written.slice(1, -1)
  }

  /** Takes a value apart where something within it is edited, and passes it over where nothing can be. */
  #enter ({ below }: EditNode): void {
    const first = this.#text.charCodeAt(this.#at)
    const isMap = first === OPEN_MAP
    if (below === undefined || (!isMap && first !== OPEN_LIST)) {
      this.#at = endOfValue(this.#text, this.#at)
      return
    }
    this.#open.push({
      isMap,
      opensAt: this.#at++,
      below: isMap ? below : byIndex(below),
      met: new Set(),
      index: 0,
      keptEnd: -1,
      hasLost: false,
    })
  }

  #replace (node: EditNode): void {
    this.#copyTo(this.#at)
    this.#out += textOf(node)
    this.#at = endOfValue(this.#text, this.#at)
    this.#copied = this.#at
  }

  /** With the comma in front of it, or with the one behind it where none that stays stands in front. */
  #takeOut (place: Place, start: number): void {
    this.#copyTo(place.keptEnd === -1 ? start : place.keptEnd)
    this.#at = endOfValue(this.#text, this.#at)
    this.#copied = this.#at
    place.hasLost = place.keptEnd === -1
  }

  #close (place: Place): void {
    if (place.isMap) this.#addMissing(place)
    this.#at++
    this.#open.pop()
    const around = this.#open.at(-1)
    if (around !== undefined) around.keptEnd = this.#at
  }

  #addMissing ({ below, met, keptEnd, hasLost, opensAt }: Place): void {
    let comma = keptEnd === -1 ? '' : ','
    for (const [name, node] of below) {
      if (met.has(node) || !givesSomething(node)) continue
      if (!hasLost) this.#copyTo(keptEnd === -1 ? opensAt + 1 : keptEnd)
      this.#out += `${comma}${JSON.stringify(name)}:${textOf(node)}`
      comma = ','
    }
  }

  #copyTo (end: number): void {
    if (end <= this.#copied) return
    this.#out += this.#text.slice(this.#copied, end)
    this.#copied = end
  }
}

/** What is written at a place, with the later edits within it. Goes no deeper than edits may. */
function textOf ({ written, below }: EditNode): string {
  const text = written?.value === undefined ? '{}' : JSON.stringify(written.value)
  if (below === undefined) return text
  const pass = new EditPass(text, { written: undefined, below })
  pass.advance(Number.POSITIVE_INFINITY)
  return pass.result
}

function byIndex (below: ReadonlyMap<string, EditNode>): Map<number, EditNode> {
  const elements = new Map<number, EditNode>()
  for (const [name, node] of below) if (LIST_INDEX.test(name)) elements.set(Number(name), node)
  return elements
}
