import type { IncomingHttpHeaders } from 'node:http'
import { followPointer } from '../json-pointer.js'
import { parseJson } from '../parse-json.js'
import { BodyTap, mediaTypeOf } from '../tap/body-tap.js'
import { createDecoder, type Decoder } from '../tap/content-coding.js'
import { SseParser, type SseFrame } from '../tap/sse-parser.js'
import type { OutcomeRule, OutcomeSign } from './contract.js'

/** So much of an answer is read, as it came and as decoded. */
const LONGEST_READ = 64 * 1024
/** What a server-sent event without a name is called. */
const UNNAMED = 'message'
/** LibreChat writes its error events into answers without a content type. */
const EVENT_STREAMS: ReadonlySet<string> = new Set(['', 'text/event-stream'])

/** Whose signs stand in an answer's body. */
export interface BodyRules {
  /** In events of a name. */
  readonly events: readonly OutcomeRule[]
  /** In a value of the one document that the body is. */
  readonly documents: readonly OutcomeRule[]
}

/** Reads one answer for signs. Never throws; says each rule at most once. */
export interface SignReader {
  /** The next piece, as it came. */
  push (chunk: Buffer): void
  /** The answer is over, whole or not. Signs may still be told afterwards, where something waits to be decoded. */
  end (): void
}

/** @returns undefined when nothing of the answer's body is of interest */
export function createSignReader (
  { events, documents }: BodyRules, headers: IncomingHttpHeaders, tell: (rule: OutcomeRule) => void
): SignReader | undefined {
  const ofEvents = createEventReader(events, headers, tell)
  const ofDocuments = createDocumentReader(documents, headers, tell)
  if (ofEvents === undefined || ofDocuments === undefined) return ofEvents ?? ofDocuments
  return {
    push: (chunk) => { ofEvents.push(chunk); ofDocuments.push(chunk) },
    end: () => { ofEvents.end(); ofDocuments.end() },
  }
}

/** Looks for events; each may come in any number of pieces. */
function createEventReader (
  rules: readonly OutcomeRule[], headers: IncomingHttpHeaders, tell: (rule: OutcomeRule) => void
): SignReader | undefined {
  if (rules.length === 0 || !EVENT_STREAMS.has(mediaTypeOf(headers))) return undefined
  const open = new Set(rules)
  let left = LONGEST_READ
  let decoder: Decoder | undefined
  const close = (): void => {
    left = 0
    decoder?.stop()
    decoder = undefined
  }
  const parser = new SseParser((frame) => {
    for (const rule of open) {
      if (!isEvent(frame, rule.when)) continue
      open.delete(rule)
      tell(rule)
    }
    if (open.size === 0) left = 0
  }, LONGEST_READ)
  decoder = createDecoder(headers['content-encoding'], (bytes) => {
    if (left > 0) parser.push(bytes.subarray(0, left))
    left -= bytes.length
    if (left <= 0) close()
  })
  return {
    push: (chunk) => { decoder?.write(chunk) },
    end: () => { decoder?.end() },
  }
}

/** Reads the answer as one JSON document, as far as it came: half a document is none. */
function createDocumentReader (
  rules: readonly OutcomeRule[], headers: IncomingHttpHeaders, tell: (rule: OutcomeRule) => void
): SignReader | undefined {
  if (rules.length === 0) return undefined
  const tap = new BodyTap(headers, LONGEST_READ)
  return {
    push: (chunk) => { tap.push(chunk) },
    end: () => {
      const reading = tap.read()
      if (reading.kind !== 'json') return
      for (const rule of rules) if (holdsValue(reading.value, rule.when)) tell(rule)
    },
  }
}

function isEvent ({ event, data, truncated }: SseFrame, when: OutcomeSign): boolean {
  if ((event === '' ? UNNAMED : event) !== when.event) return false
  if (when.value === undefined) return true
  return !truncated && holdsValue(parseJson(data), when)
}

function holdsValue (document: unknown, { value }: OutcomeSign): boolean {
  if (value === undefined) return true
  const found = followPointer(document, value.pointer)
  return (typeof found === 'string' || typeof found === 'number' || typeof found === 'boolean') &&
    String(found) === value.equals
}
