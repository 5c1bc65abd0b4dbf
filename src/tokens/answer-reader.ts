/** Reads in passing what an answer cost. */
import type { IncomingHttpHeaders } from 'node:http'
import { parseJson } from '../parse-json.js'
import { visitValues } from '../prompt/prompt.js'
import { BodyTap, mediaTypeOf } from '../tap/body-tap.js'
import { createDecoder } from '../tap/content-coding.js'
import { JsonLines } from '../tap/json-lines.js'
import { SseParser } from '../tap/sse-parser.js'
import type { TokenPlaces } from './contract.js'
import { estimateTexts } from './estimate.js'
import { UsageTally, type Usage } from './usage.js'

/** Of a JSON answer, and of one event: the last one of some APIs holds the whole answer again. */
const LONGEST_READ = 1024 * 1024
const EVENTS = 'text/event-stream'
const LINES: ReadonlySet<string> = new Set(['application/x-ndjson', 'application/jsonl', 'application/x-jsonlines'])

/** What one answer told, as far as it came. */
export interface AnswerReading extends Usage {
  /** Something of the body came. */
  readonly hasBegun: boolean
  /** Undefined: it is one document. */
  readonly stream: StreamReading | undefined
}

export interface StreamReading {
  /** Events since the stream last told its usage. */
  readonly events: number
  /** Tokens of the answer in them, estimated. */
  readonly tokens: number
}

/** Never throws. */
export interface AnswerReader {
  /** The next piece, as it came. */
  push (chunk: Buffer): void
  /** The answer is over, whole or not; `tell` is called once, a little later where something waits to be decoded. */
  end (tell: (reading: AnswerReading) => void): void
}

export function createAnswerReader (places: readonly TokenPlaces[], headers: IncomingHttpHeaders): AnswerReader {
  const type = mediaTypeOf(headers)
  return type === EVENTS || LINES.has(type)
    ? createStreamReader(places, headers, type === EVENTS)
    : createDocumentReader(places, headers)
}

function createDocumentReader (places: readonly TokenPlaces[], headers: IncomingHttpHeaders): AnswerReader {
  const tap = new BodyTap(headers, LONGEST_READ)
  let hasBegun = false
  return {
    push: (chunk) => {
      hasBegun = true
      tap.push(chunk)
    },
    end: (tell) => {
      const tally = new UsageTally(places.flatMap(({ usage }) => usage))
      const reading = tap.read()
      if (reading.kind === 'json') tally.read(reading.value)
      tell({ ...tally.usage, hasBegun, stream: undefined })
    },
  }
}

function createStreamReader (
  places: readonly TokenPlaces[], headers: IncomingHttpHeaders, areEvents: boolean
): AnswerReader {
  const tally = new UsageTally(places.flatMap(({ usage }) => usage))
  const since = { events: 0, tokens: 0 }
  let hasBegun = false
  const read = (text: string): void => {
    const document = parseJson(text)
    if (document === undefined) return
    since.events++
    since.tokens += Math.max(...places.map((one) => streamedTokens(document, one)))
    if (tally.read(document)) since.events = since.tokens = 0
  }
  const lines = new JsonLines(read, LONGEST_READ)
  const events = new SseParser(({ data, truncated }) => { if (!truncated) read(data) }, LONGEST_READ)
  const parser = areEvents ? events : lines
  const decoder = createDecoder(headers['content-encoding'], (bytes) => { parser.push(bytes) })
  return {
    push: (chunk) => {
      hasBegun = true
      decoder?.write(chunk)
    },
    end: (tell) => {
      const conclude = (): void => {
        lines.end()
        // What we cannot decode says nothing, and least of all that nothing came.
        tell({ ...tally.usage, hasBegun, stream: decoder === undefined ? undefined : since })
      }
      if (decoder === undefined) conclude()
      else decoder.end(conclude)
    },
  }
}

function streamedTokens (document: unknown, { streamed }: TokenPlaces): number {
  const texts: string[] = []
  for (const pattern of streamed) {
    visitValues(document, pattern, (value) => { if (typeof value === 'string' && value !== '') texts.push(value) })
  }
  return texts.length === 0 ? 0 : estimateTexts(texts)
}
