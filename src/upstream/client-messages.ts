import type { Duplex } from 'node:stream'
import type { Closing, Message } from './frame-contract.js'
import { PerMessageDeflate, Receiver } from './ws-parts.js'

/** How much is taken apart at once: the messages of one piece are all that ever waits, beside one that is not whole. */
const PIECE_BYTES = 16 * 1024
/** The same where messages may unpack to a thousandfold. */
const PACKED_PIECE_BYTES = 4 * 1024
/** Of one message, as `ws` has it. */
const MOST_FRAGMENTS = 16 * 1024
/** Pieces that one frame may come in. */
const MOST_PIECES = 64 * 1024

/** How long a client may take over a message, as over the body of a request. */
const MESSAGE_DEADLINE_MS = 30_000
const TOO_SLOW: Closing = { code: 1008, reason: 'The message was not finished in time.' }

/** Close codes of what `ws` finds wrong; anything else it names is 1002, and what zlib does is 1007. */
const CODES: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: 1007,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: 1008,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: 1009,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 1009,
}

/** What the client says, in order. */
export type Heard =
  | { readonly kind: 'message', readonly message: Message }
  | { readonly kind: 'ping' | 'pong', readonly data: Buffer }
  /** A close frame; code 1005: without a code. */
  | { readonly kind: 'close', readonly code: number, readonly reason: Buffer }
  /** Against the protocol; nothing behind it is read. */
  | { readonly kind: 'broken', readonly closing: Closing }
  /** The client has ended its side of the connection. */
  | { readonly kind: 'end' }

const END: Heard = { kind: 'end' }

export interface ClientMessagesOptions {
  readonly maxBytes: number
  readonly deflate: PerMessageDeflate | undefined
  /** There is something to take, or to read. */
  readonly wake: () => void
  /** Milliseconds that a message may take. */
  readonly deadlineMs?: number
}

/** Takes the client's stream apart, a small piece at a time and only when asked to, so that little ever waits. */
export class ClientMessages {
  readonly #client: Duplex
  readonly #receiver: Receiver
  readonly #options: ClientMessagesOptions
  readonly #heard: Heard[] = []
  #busy = false
  /** Nothing that comes now means anything: a close frame or an offence came before it. */
  #deaf = false
  #ended = false
  #released = false
  /** Runs while a message is begun and not finished. */
  #deadline: NodeJS.Timeout | undefined

  constructor (client: Duplex, options: ClientMessagesOptions) {
    const { maxBytes, deflate, wake } = options
    this.#client = client
    this.#options = options
    this.#receiver = new Receiver({
      isServer: true,
      extensions: deflate === undefined ? {} : { [PerMessageDeflate.extensionName]: deflate },
      maxPayload: maxBytes,
      maxFragments: MOST_FRAGMENTS,
      maxBufferedChunks: MOST_PIECES,
    })
    this.#receiver
      .on('message', (data, binary) => { this.#hear({ kind: 'message', message: { data, binary } }) })
      .on('ping', (data) => { this.#hear({ kind: 'ping', data }) })
      .on('pong', (data) => { this.#hear({ kind: 'pong', data }) })
      .on('conclude', (code, reason) => { this.#last({ kind: 'close', code, reason }) })
      .on('error', (error) => { this.#last({ kind: 'broken', closing: closingOf(error) }) })
    client.on('readable', wake).on('end', () => { this.#ended = true; wake() })
  }

  /** The next that was heard; undefined: nothing yet. */
  next (): Heard | undefined {
    const heard = this.#heard.shift()
    if (heard !== undefined || !this.#ended || this.#busy) return heard
    this.#ended = false
    return END
  }

  /** Takes the next piece apart, if there is one. Ends in `wake`. */
  read (): void {
    if (this.#deaf) return this.discard()
    if (this.#busy) return
    const most = this.#options.deflate === undefined ? PIECE_BYTES : PACKED_PIECE_BYTES
    const piece: Buffer | null = this.#client.read(Math.min(this.#client.readableLength, most) || undefined)
    if (piece === null) return
    this.#busy = true
    this.#receiver.write(piece, this.#taken)
  }

  /** Reads what nobody wants to know any more, for the end behind it. */
  discard (): void {
    this.#deaf = true
    this.#heard.length = 0
    while (this.#client.read() !== null);
  }

  /** Gives back what the compression holds, once it is at rest. */
  release (): void {
    clearTimeout(this.#deadline)
    this.#released = true
    this.#deaf = true
    if (!this.#busy) this.#options.deflate?.cleanup()
  }

  #hear (heard: Heard): void {
    if (this.#deaf) return
    this.#heard.push(heard)
    this.#options.wake()
  }

  #last (heard: Heard): void {
    this.#hear(heard)
    this.#deaf = true
  }

  /** What is not finished is held in memory, unpacked: for a while only, and while it is the client whom we wait for. */
  #watchDeadline (): void {
    const { _state: state, _fragmented: fragmented, _bufferedBytes: waiting } = this.#receiver
    if (state === 0 && fragmented === 0 && waiting === 0) {
      clearTimeout(this.#deadline)
      this.#deadline = undefined
    } else this.#deadline ??= setTimeout(this.#late, this.#options.deadlineMs ?? MESSAGE_DEADLINE_MS).unref()
  }

  readonly #late = (): void => {
    this.#deadline = undefined
    const isOurs = this.#busy || this.#client.readableLength > 0 || this.#heard.length > 0
    if (isOurs) this.#watchDeadline()
    else if (!this.#released) this.#last({ kind: 'broken', closing: TOO_SLOW })
  }

  readonly #taken = (): void => {
    this.#busy = false
    if (!this.#deaf) this.#watchDeadline()
    if (this.#released) this.release()
    else this.#options.wake()
  }
}

/** The message of `ws` or zlib says in a few words what is wrong, never what was sent. */
function closingOf (error: Error): Closing {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return { code: CODES[code] ?? (code.startsWith('Z_') ? 1007 : 1002), reason: error.message }
}
