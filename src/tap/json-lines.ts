/** Documents of JSON, one a line, taken apart as they come, with bounded memory. */
const LF = '\n'

/** Any way of cutting the same bytes into chunks gives the same lines. Lines that are too long are left out. */
export class JsonLines {
  readonly #onLine: (line: string) => void
  readonly #maxLength: number
  readonly #decoder = new TextDecoder()
  #line = ''
  #isTooLong = false

  /** `maxLength`: characters of a line. */
  constructor (onLine: (line: string) => void, maxLength: number) {
    this.#onLine = onLine
    this.#maxLength = maxLength
  }

  push (chunk: Uint8Array): void {
    const [first = '', ...more] = this.#decoder.decode(chunk, { stream: true }).split(LF)
    this.#append(first)
    for (const part of more) {
      this.end()
      this.#append(part)
    }
  }

  /** The last line needs no break behind it. */
  end (): void {
    if (!this.#isTooLong && this.#line.trim() !== '') this.#onLine(this.#line)
    this.#line = ''
    this.#isTooLong = false
  }

  #append (part: string): void {
    if (this.#isTooLong) return
    this.#isTooLong = this.#line.length + part.length > this.#maxLength
    this.#line = this.#isTooLong ? '' : this.#line + part
  }
}
