import type { Duplex } from 'node:stream'
import type { Closing } from './frame-contract.js'
import { FrameEdges, type Cuts } from './frame-edges.js'
import { Sender } from './ws-parts.js'

const REPLY = { binary: false, mask: false, compress: false, fin: true } as const

/**
 * The way to the client: the backend's frames as they come, byte for byte, and words of ours between two messages.
 * Ours are never compressed, so that they mean nothing to the backend's compression.
 */
export class Downstream {
  readonly #client: Duplex
  readonly #sender: Sender
  readonly #edges = new FrameEdges()
  #unsaid: Buffer[] = []
  #goodbye: Closing | undefined
  #ended = false

  constructor (client: Duplex) {
    this.#client = client
    this.#sender = new Sender(client, {})
  }

  /** A word of ours waits for the end of the backend's message, or in our own buffers. */
  get hasUnsaid (): boolean {
    return this.#unsaid.length > 0 || this.#client.writableNeedDrain
  }

  /** A piece of the backend's stream. False: the client reads slower; it says `drain`. */
  pass (piece: Buffer): boolean {
    if (this.#ended) return true
    const cuts = this.#edges.scan(piece)
    const at = this.#cutOf(cuts)
    if (at < 0) this.#client.write(piece)
    else {
      this.#client.write(piece.subarray(0, at))
      this.#speak(at === cuts.message)
      if (!this.#ended) this.#client.write(piece.subarray(at))
    }
    return !this.#client.writableNeedDrain
  }

  reply (texts: readonly string[]): void {
    if (this.#ended) return
    for (const text of texts) this.#unsaid.push(Buffer.from(text))
    if (this.#edges.atMessage) this.#speak(true)
  }

  /** Ends the client's side as soon as a frame of the backend's is whole. */
  close (closing: Closing): void {
    this.#goodbye = closing
    if (this.#edges.atFrame) this.#speak(this.#edges.atMessage)
  }

  /** The backend has nothing more to say. */
  end (): void {
    if (this.#ended) return
    this.#ended = true
    this.#client.end()
  }

  /** Where our word goes; -1: there is none, or no place for it. */
  #cutOf ({ frame, message }: Cuts): number {
    if (this.#goodbye !== undefined) return frame
    return this.#unsaid.length > 0 ? message : -1
  }

  #speak (betweenMessages: boolean): void {
    if (this.#ended) return
    const unsaid = this.#unsaid
    if (this.#edges.closed || betweenMessages || this.#goodbye !== undefined) this.#unsaid = []
    if (!this.#edges.closed) {
      if (betweenMessages) for (const text of unsaid) this.#sender.send(text, REPLY)
      if (this.#goodbye !== undefined) this.#sender.close(this.#goodbye.code, this.#goodbye.reason, false)
    }
    if (this.#goodbye !== undefined) this.end()
  }
}
