import type { Duplex } from 'node:stream'
import { ClientMessages, type Heard } from './client-messages.js'
import { Downstream } from './downstream.js'
import type { Closing, FrameVerdict, Inspection, Message } from './frame-contract.js'
import { turns } from '../turns.js'
import type { Outcome } from './watch.js'
import { Sender, type PerMessageDeflate } from './ws-parts.js'

/** How long peers may take to part once one of them has said goodbye. */
const PARTING_MS = 30_000
/** The same after a goodbye of ours, or when one of them is gone. */
const LAST_WORDS_MS = 2_000
/** How long our goodbye waits for a check under way, so that its reply comes first. */
const JUDGEMENT_MS = 500
const DEFECT: Closing = { code: 1011, reason: 'Internal error' }

export interface PumpOptions {
  readonly inspection: Inspection
  readonly deflate: PerMessageDeflate | undefined
  /** Called once, when one side is gone: `complete` after both had ended in order, else by whoever broke off. */
  readonly onEnd: (outcome: Outcome) => void
}

/**
 * Carries a WebSocket between client and backend. The client's messages go one by one, in order, past a check; the
 * backend's pass as they come. Neither side is read faster than the other takes it.
 */
export function pumpFrames (client: Duplex, backend: Duplex, options: PumpOptions): void {
  const pump = new FramePump(client, backend, options)
  options.inspection.onOpen((closing) => { pump.end(closing) })
}

class FramePump {
  readonly #client: Duplex
  readonly #backend: Duplex
  readonly #options: PumpOptions
  readonly #messages: ClientMessages
  readonly #down: Downstream
  readonly #up: Sender
  #asked = false
  #judging = false
  /** A refusal is on its way to the client; until it is out, nothing more is read. */
  #replying = false
  /** The backend has been told of the end. */
  #concluded = false
  /** We end it, as soon as the present check has answered. */
  #due: Closing | undefined
  #parting = false
  #over = false
  #limit: NodeJS.Timeout | undefined

  constructor (client: Duplex, backend: Duplex, options: PumpOptions) {
    const { inspection: { maxBytes, deadlineMs }, deflate } = options
    this.#client = client
    this.#backend = backend
    this.#options = options
    this.#down = new Downstream(client)
    this.#up = new Sender(backend, {})
    this.#messages = new ClientMessages(client, {
      maxBytes, deflate, wake: this.#wake, ...deadlineMs !== undefined && { deadlineMs },
    })
    client.on('error', ignore).on('close', () => { this.#gone(client, backend) })
    client.on('drain', () => { backend.resume(); this.#wake() })
    backend.on('error', ignore).on('close', () => { this.#gone(backend, client) })
    backend.on('drain', this.#wake).on('end', () => { this.#down.end(); this.#within(LAST_WORDS_MS) })
    backend.on('data', (piece: Buffer) => { this.#fromBackend(piece) })
    if (client.destroyed) this.#gone(client, backend)
    else if (backend.destroyed) this.#gone(backend, client)
    else this.#wake()
  }

  /** Says goodbye to both sides. */
  end (closing: Closing): void {
    if (this.#over || this.#parting || this.#due !== undefined) return
    if (!this.#judging) return this.#part(closing)
    this.#due = closing
    setTimeout(() => { this.#part(closing) }, JUDGEMENT_MS).unref()
  }

  readonly #wake = (): void => {
    if (this.#asked) return
    this.#asked = true
    turns.ask(this.#step)
  }

  /** One step: a message checked, or a piece of the client's stream taken apart. */
  readonly #step = (): void => {
    this.#asked = false
    if (this.#over || this.#parting) return this.#messages.discard()
    if (this.#judging || this.#isHeldUp()) return
    const heard = this.#messages.next()
    if (heard === undefined) return this.#messages.read()
    this.#handle(heard)
    this.#wake()
  }

  #isHeldUp (): boolean {
    this.#replying &&= this.#down.hasUnsaid
    return this.#replying || this.#backend.writableNeedDrain
  }

  #handle (heard: Heard): void {
    switch (heard.kind) {
      case 'message': return this.#check(heard.message)
      case 'ping': return this.#up.ping(heard.data, true)
      case 'pong': return this.#up.pong(heard.data, true)
      case 'close': return this.#conclude(heard.code, heard.reason)
      case 'broken': return this.end(heard.closing)
      case 'end': this.#backend.end(); this.#within(PARTING_MS)
    }
  }

  #check (message: Message): void {
    this.#judging = true
    try {
      const answer = this.#options.inspection.check(message)
      if (answer instanceof Promise) answer.then((judged) => { this.#settle(message, judged) }).catch(this.#fail)
      else this.#settle(message, answer)
    } catch (error) {
      this.#fail(error)
    }
  }

  #settle ({ data, binary }: Message, judged: FrameVerdict): void {
    this.#judging = false
    if (this.#over || this.#parting) return
    const refused = judged !== undefined && 'replies' in judged ? judged : undefined
    const closing = this.#due ?? refused?.close
    if (refused !== undefined) {
      this.#replying = true
      this.#down.reply(refused.replies)
    } else if (closing === undefined) {
      const payload = judged !== undefined && 'replace' in judged ? judged.replace : data
      this.#up.send(payload, { binary, mask: true, compress: false, fin: true })
    }
    if (closing === undefined) this.#wake()
    else this.#part(closing)
  }

  readonly #fail = (error: unknown): void => {
    this.#judging = false
    this.#options.inspection.onDefect(error)
    this.#part(DEFECT)
  }

  #fromBackend (piece: Buffer): void {
    if (this.#over) return
    if (!this.#down.pass(piece)) this.#backend.pause()
    if (this.#replying) this.#wake()
  }

  /** Passes a close frame on; the other side answers it. */
  #conclude (code: number, reason: Buffer | string): void {
    if (this.#concluded || !this.#backend.writable) return
    this.#concluded = true
    this.#up.close(code === 1005 ? undefined : code, reason, true)
    this.#within(PARTING_MS)
  }

  #part (closing: Closing): void {
    if (this.#over || this.#parting) return
    this.#parting = true
    this.#down.close(closing)
    this.#conclude(closing.code, closing.reason)
    this.#backend.resume()
    this.#within(LAST_WORDS_MS)
    this.#wake()
  }

  #gone (gone: Duplex, other: Duplex): void {
    if (!this.#over) {
      this.#over = true
      this.#messages.release()
      const inOrder = gone.readableEnded && other.readableEnded
      this.#options.onEnd(inOrder ? 'complete' : gone === this.#client ? 'aborted' : 'failed')
    }
    if (other.destroyed) return clearTimeout(this.#limit)
    other.end()
    this.#backend.resume()
    this.#within(LAST_WORDS_MS)
    this.#wake()
  }

  /** From now on they have so long to part. */
  #within (ms: number): void {
    clearTimeout(this.#limit)
    this.#limit = setTimeout(() => {
      this.#client.destroy()
      this.#backend.destroy()
    }, ms).unref()
  }
}

function ignore (): void {}
