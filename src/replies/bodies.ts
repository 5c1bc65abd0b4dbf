import type { Reply } from './contract.js'

const JSON_TYPE = 'application/json; charset=utf-8'
const STREAM_TYPE = 'text/event-stream; charset=utf-8'

/** An answer in JSON; headers beside the type come last. */
export function jsonReply (status: number, value: object, headers: Reply['headers'] = []): Reply {
  return { status, headers: [['content-type', JSON_TYPE], ...headers], body: JSON.stringify(value) }
}

/** A finished event stream. */
export function streamReply (events: readonly string[], status = 200): Reply {
  return { status, headers: [['content-type', STREAM_TYPE]], body: events.join('') }
}

/** One event of a stream; without a name it is a plain `data:` line. */
export function streamEvent (data: object | string, name?: string): string {
  const text = typeof data === 'string' ? data : JSON.stringify(data)
  return name === undefined ? `data: ${text}\n\n` : `event: ${name}\ndata: ${text}\n\n`
}

/** A text of the request's body that an answer may repeat; undefined: none, empty, or longer than honest ones are. */
export function echoOf (value: unknown, longest: number): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= longest ? value : undefined
}
