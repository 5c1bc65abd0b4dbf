/** Reads in passing what an answer cost. */
import type { IncomingHttpHeaders } from 'node:http'
import { visitValues } from '../json-members.js'
import { parseJson } from '../parse-json.js'
import { mediaTypeOf } from '../tap/body-tap.js'
import { createDecoder } from '../tap/content-coding.js'
import { JsonLines } from '../tap/json-lines.js'
import { SseParser } from '../tap/sse-parser.js'
import type { TokenPlaces, UsagePlaces } from './contract.js'
import { Ending, usagesAtTheEnd } from './ending.js'
import { estimateTexts } from './estimate.js'
import { UsageTally, type Usage } from './usage.js'

/** Of a JSON answer, and of one event: the last one of some APIs holds the whole answer again. */
const LONGEST_READ = 1024 * 1024
/** Of a JSON answer that is longer. */
const LONGEST_ENDING = 64 * 1024
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

/** Makes a reader for an answer with this head. */
export type AnswerReaders = (headers: IncomingHttpHeaders) => AnswerReader

/** To be made once a plan. */
export function answerReaders (places: readonly TokenPlaces[]): AnswerReaders {
  const all: AllPlaces = {
    usage: places.flatMap(({ usage }) => usage),
    streamed: places.map(({ streamed }) => streamed),
  }
  return (headers) => {
    const type = mediaTypeOf(headers)
    return type === EVENTS || LINES.has(type)
      ? createStreamReader(all, headers, type === EVENTS)
      : createDocumentReader(all, headers)
  }
}

interface AllPlaces {
  readonly usage: readonly UsagePlaces[]
  /** One a rule. */
  readonly streamed: readonly TokenPlaces['streamed'][]
}

/** Usage stands at the end of answers that are too long to be read. */
function createDocumentReader ({ usage }: AllPlaces, headers: IncomingHttpHeaders): AnswerReader {
  const text = new Ending(LONGEST_READ, LONGEST_ENDING)
  const decoder = createDecoder(headers['content-encoding'], (bytes) => { text.push(bytes) })
  let hasBegun = false
  return {
    push: (chunk) => {
      hasBegun = true
      decoder?.write(chunk)
    },
    end: (tell) => {
      const conclude = (): void => {
        const tally = new UsageTally(usage)
        for (const document of documentsIn(text, usage)) tally.read(document)
        tell({ ...tally.usage, hasBegun, stream: undefined })
      }
      if (decoder === undefined) conclude()
      else decoder.end(conclude)
    },
  }
}

function documentsIn (text: Ending, usage: readonly UsagePlaces[]): unknown[] {
  const read = text.read()
  return text.isWhole ? [parseJson(read)] : usagesAtTheEnd(read, usage)
}

function createStreamReader (
  { usage, streamed }: AllPlaces, headers: IncomingHttpHeaders, areEvents: boolean
): AnswerReader {
  const tally = new UsageTally(usage)
  const since = { events: 0, tokens: 0 }
  let hasBegun = false
  const read = (text: string): void => {
    const document = parseJson(text)
    if (document === undefined) return
    since.events++
    since.tokens += Math.max(...streamed.map((patterns) => streamedTokens(document, patterns)))
    if (tally.read(document)) since.events = since.tokens = 0
  }
  const parser = areEvents
    ? new SseParser(({ data, truncated }) => { if (!truncated) read(data) }, LONGEST_READ)
    : new JsonLines(read, LONGEST_READ)
  const decoder = createDecoder(headers['content-encoding'], (bytes) => { parser.push(bytes) })
  return {
    push: (chunk) => {
      hasBegun = true
      decoder?.write(chunk)
    },
    end: (tell) => {
      const conclude = (): void => {
        if (parser instanceof JsonLines) parser.end()
        // What we cannot decode says nothing, and least of all that nothing came.
        tell({ ...tally.usage, hasBegun, stream: decoder === undefined ? undefined : since })
      }
      if (decoder === undefined) conclude()
      else decoder.end(conclude)
    },
  }
}

function streamedTokens (document: unknown, patterns: TokenPlaces['streamed']): number {
  const texts: string[] = []
  for (const pattern of patterns) {
    visitValues(document, pattern, (value) => { if (typeof value === 'string' && value !== '') texts.push(value) })
  }
  return texts.length === 0 ? 0 : estimateTexts(texts)
}
