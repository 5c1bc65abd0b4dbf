/** Server-sent events, taken apart as they come, with bounded memory. */

const lf = 10
const cr = 13
/** Of a frame that is too long this much of the data is kept: enough to know it by its first member. */
const headLength = 1024

export interface SseFrame {
  /** Empty when the frame has no name (then it is a `message`). */
  readonly event: string
  readonly data: string
  /** The data was too long; only its beginning is here. */
  readonly truncated: boolean
}

/** Any way of cutting the same bytes into chunks gives the same frames. */
export class SseParser {
  readonly #onFrame: (frame: SseFrame) => void
  readonly #maxLength: number
  readonly #decoder = new TextDecoder()
  #line = ''
  #lineIsCut = false
  #skipLf = false
  #event = ''
  #data: string | undefined
  #dataIsCut = false

  /** `maxLength`: characters of a frame's data that are kept. */
  constructor (onFrame: (frame: SseFrame) => void, maxLength: number) {
    this.#onFrame = onFrame
    this.#maxLength = Math.max(maxLength, headLength)
  }

  push (chunk: Uint8Array): void {
    const text = this.#decoder.decode(chunk, { stream: true })
    if (text === '') return
    let start = this.#skipLf && text.charCodeAt(0) === lf ? 1 : 0
    this.#skipLf = false
    for (let end = nextBreak(text, start); end < text.length; end = nextBreak(text, start)) {
      this.#append(text.slice(start, end))
      this.#endLine()
      start = end + 1
      if (text.charCodeAt(end) !== cr) continue
      if (start === text.length) this.#skipLf = true
      else if (text.charCodeAt(start) === lf) start++
    }
    this.#append(text.slice(start))
  }

  #append (part: string): void {
    if (this.#lineIsCut) return
    this.#line += part
    if (this.#line.length <= this.#maxLength) return
    this.#line = this.#line.slice(0, headLength)
    this.#lineIsCut = true
  }

  #endLine (): void {
    const line = this.#line
    const isCut = this.#lineIsCut
    this.#line = ''
    this.#lineIsCut = false
    if (line === '') return this.#endFrame()
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const from = line.charAt(colon + 1) === ' ' ? colon + 2 : colon + 1
    const value = colon === -1 ? '' : line.slice(from)
    if (field === 'event') this.#event = value
    else if (field === 'data') this.#addData(value, isCut)
  }

  #addData (value: string, isCut: boolean): void {
    if (this.#dataIsCut) return
    const data = this.#data === undefined ? value : `${this.#data}\n${value}`
    this.#dataIsCut = isCut || data.length > this.#maxLength
    this.#data = this.#dataIsCut ? data.slice(0, headLength) : data
  }

  #endFrame (): void {
    const frame = { event: this.#event, data: this.#data ?? '', truncated: this.#dataIsCut }
    const hasData = this.#data !== undefined
    this.#event = ''
    this.#data = undefined
    this.#dataIsCut = false
    if (hasData) this.#onFrame(frame)
  }
}

/** Index of the next line break, or the text's length. */
function nextBreak (text: string, from: number): number {
  let index = from
  while (index < text.length) {
    const code = text.charCodeAt(index)
    if (code === lf || code === cr) break
    index++
  }
  return index
}
