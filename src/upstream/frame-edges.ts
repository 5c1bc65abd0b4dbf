const FIN = 0x80
const OPCODE = 0x0f
const MASKED = 0x80
const LENGTH = 0x7f
const MASK_BYTES = 4
/** First opcode of control frames, which may stand between the fragments of a message. */
const CONTROL = 0x8
const CLOSE = 0x8

/** Offsets in a piece of the stream at which something of ours may be put in; -1: nowhere. */
export interface Cuts {
  /** Behind the first frame that ends there. */
  readonly frame: number
  /** Behind the first message that ends there. */
  readonly message: number
}

/** Follows a stream of frames that passes unchanged. Looks at the heads of frames only (RFC 6455 §5.2). */
export class FrameEdges {
  readonly #head = Buffer.alloc(14)
  #known = 0
  #size = 2
  /** Bytes of the present frame that are still to come. */
  #payload = 0
  /** A message of several frames is under way. */
  #open = false
  #closed = false

  get atFrame (): boolean {
    return this.#known === 0 && this.#payload === 0
  }

  get atMessage (): boolean {
    return this.atFrame && !this.#open
  }

  /** A close frame has passed, or begun to: nothing may follow it. */
  get closed (): boolean {
    return this.#closed
  }

  scan (piece: Buffer): Cuts {
    let frame = -1
    let message = -1
    let at = 0
    while (at < piece.length) {
      if (this.#payload > 0) {
        const step = Math.min(this.#payload, piece.length - at)
        this.#payload -= step
        at += step
      } else this.#take(piece[at++] as number)
      if (frame < 0 && this.atFrame) frame = at
      if (message < 0 && this.atMessage) message = at
    }
    return { frame, message }
  }

  #take (byte: number): void {
    this.#head[this.#known++] = byte
    if (this.#known === 2) this.#size = 2 + lengthBytes(byte & LENGTH) + ((byte & MASKED) === 0 ? 0 : MASK_BYTES)
    if (this.#known < this.#size || this.#known < 2) return
    const first = this.#head[0] as number
    const opcode = first & OPCODE
    if (opcode < CONTROL) this.#open = (first & FIN) === 0
    if (opcode === CLOSE) this.#closed = true
    this.#payload = this.#length()
    this.#known = 0
  }

  #length (): number {
    const short = (this.#head[1] as number) & LENGTH
    if (short === 126) return this.#head.readUInt16BE(2)
    return short === 127 ? Number(this.#head.readBigUInt64BE(2)) : short
  }
}

function lengthBytes (short: number): number {
  if (short === 126) return 2
  return short === 127 ? 8 : 0
}
