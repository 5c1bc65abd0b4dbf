import { STATUS_CODES, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { ForwardOptions, OwnHeaders, UpstreamFault } from './contract.js'
import { answerHeaders, answerTrailers } from './headers.js'
import { discardRest } from './request-body.js'
import type { Report, Watch } from './watch.js'

const NOTHING = Buffer.alloc(0)
/** Characters that no reason phrase may hold. */
const NOT_REASON = /[^\t\x20-\x7e\x80-\xff]/

export interface AnswerOptions {
  readonly own: OwnHeaders
  readonly watch: Watch
  readonly report: Report
  readonly onFault: ForwardOptions['onFault']
  /** The client left before the answer's end; the backend's work is to be cancelled. */
  onGone (): void
}

/** One answer on its way to the client. Whatever comes after its end is ignored. */
export class Answer {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #options: AnswerOptions
  #over = false
  #begun = false

  constructor (request: IncomingMessage, response: ServerResponse, options: AnswerOptions) {
    this.#request = request
    this.#response = response
    this.#options = options
    const onGone = (): void => { this.#gone() }
    response.on('close', onGone)
    response.on('error', onGone)
    if (response.destroyed || request.socket.destroyed) this.#gone()
  }

  get over (): boolean { return this.#over }

  /** Interim answers, 102 and 103 above all; clients before HTTP/1.1 do not know them. */
  inform (status: number, headers: IncomingHttpHeaders, raw: readonly string[]): void {
    if (this.#over || this.#request.httpVersionMinor < 1 || status === 101 || status === 100) return
    // Node before 24.18 cannot pass them on.
    if (typeof this.#response.writeInformation !== 'function') return
    const { connection } = headers
    const fields = answerHeaders(raw, { connection, own: [], dropLength: true, keepTrailer: false })
    try {
      this.#response.writeInformation(status, fields)
    } catch (error) {
      this.#options.report(error)
    }
  }

  /** `raw`: flat name/value list as it came; `headers`: the same, parsed, with lower-case names. */
  head (status: number, reason: string, headers: IncomingHttpHeaders, raw: readonly string[]): void {
    if (this.#over) return
    const request = this.#request
    const length = headers['content-length']
    const bodyless = request.method === 'HEAD' || status === 204 || status === 304
    const head = answerHeaders(raw, {
      connection: headers.connection,
      own: this.#options.own,
      dropLength: status === 204 || headers['transfer-encoding'] !== undefined,
      keepTrailer: !bodyless && length === undefined && request.httpVersionMinor > 0,
    })
    this.#response.writeHead(status, reasonOf(status, reason), head)
    this.#options.watch.head(status, headers)
    // Node holds a head until the first write. What came with the head is written within this tick; a
    // stream that says nothing yet gets its head now.
    process.nextTick(flushAnswer, this)
  }

  /** False: the client does not keep up; `onDrain` is called once when it does again. */
  data (chunk: Buffer, onDrain: () => void): boolean {
    if (this.#over) return true
    this.#begun = true
    this.#options.watch.data(chunk)
    if (this.#response.write(chunk)) return true
    this.#response.once('drain', onDrain)
    return false
  }

  end (rawTrailers: readonly string[]): void {
    if (this.#over) return
    this.#over = true
    if (rawTrailers.length > 0) this.#response.addTrailers(answerTrailers(rawTrailers, this.#options.own))
    this.#response.end()
    this.#options.watch.end('complete')
    discardRest(this.#request, this.#response)
  }

  /** A fault before the head is answered in words; after it, only a cut connection tells the truth. */
  fail (fault: UpstreamFault, error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#options.watch.end('failed')
    if (this.#response.headersSent) {
      this.#response.destroy()
      return
    }
    try {
      this.#options.onFault(fault, error)
      discardRest(this.#request, this.#response)
    } catch (thrown) {
      this.#options.report(thrown)
      this.#response.destroy()
    }
  }

  flush (): void {
    if (!this.#over && !this.#begun) flushHead(this.#response)
  }

  #gone (): void {
    if (this.#over) return
    this.#over = true
    this.#options.watch.end('aborted')
    this.#options.onGone()
  }
}

function flushAnswer (answer: Answer): void {
  answer.flush()
}

/** Sends the head alone. `flushHeaders` would write its Latin-1 values as UTF-8. */
export function flushHead (response: ServerResponse): void {
  response.write(NOTHING)
}

function reasonOf (status: number, reason: string): string {
  return reason === '' || NOT_REASON.test(reason) ? STATUS_CODES[status] ?? '' : reason
}
