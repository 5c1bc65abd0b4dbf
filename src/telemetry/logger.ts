import { hostname } from 'node:os'
import pino, { type DestinationStream, type Logger, type LoggerOptions } from 'pino'
import pretty from 'pino-pretty'

const CENSORED = '[redacted]'
/** Longer targets are cut: a log line is no place for 16 KiB of a client's making. */
const MAX_TARGET_LENGTH = 2048
/** What must not be readable in a log, wherever a line nests it. Prompts are never logged to begin with. */
const SECRET_KEYS = [
  'authorization', 'cookie', '"set-cookie"', '"proxy-authorization"', '"x-api-key"', '"api-key"',
  'token', 'secret', 'password', 'apiKey', 'body', 'text', 'prompt',
]

export interface LoggerSettings {
  /** `trace` … `fatal`, `silent`; `info` when absent. */
  readonly level?: string
  /** For people at a terminal instead of JSON lines for machines. */
  readonly pretty?: boolean
  /** The worker that writes, to be named in each of its lines. */
  readonly worker?: number
  /** Sees each line before it is written; true: it has dealt with it. */
  readonly divert?: (line: string) => boolean
  /** Where lines go; standard output when absent. */
  readonly destination?: DestinationStream
}

/** The process's logger: JSON lines with ISO instants, secrets censored, query strings cut. */
export function createLogger (settings: LoggerSettings = {}): Logger {
  const { level, worker, divert } = settings
  const sink = createSink(settings)
  const stream = divert === undefined ? sink : { write: (line: string) => { if (!divert(line)) sink.write(line) } }
  return pino(createLoggerOptions(level, worker), stream)
}

/** Where the logger's lines go, one JSON line at a time. */
export function createSink (settings: Pick<LoggerSettings, 'pretty' | 'destination'>): DestinationStream {
  const { destination } = settings
  if (settings.pretty !== true) return destination ?? pino.destination({ dest: 1, sync: false })
  return pretty({
    colorize: destination === undefined,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    ...(destination === undefined ? { sync: true } : { destination }),
  })
}

/** Options of pino, for whoever brings a destination of their own. */
export function createLoggerOptions (level = 'info', worker?: number): LoggerOptions {
  return {
    level,
    base: { pid: process.pid, hostname: hostname(), ...(worker === undefined ? {} : { worker }) },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: SECRET_KEYS.flatMap(pathsOf), censor: CENSORED },
    serializers: { err: pino.stdSerializers.err, url: cutTarget, target: cutTarget },
  }
}

/** A request target without what its query holds: tokens travel there. Anything but text is left out. */
export function cutTarget (target: unknown): string {
  if (typeof target !== 'string') return CENSORED
  const mark = target.search(/[?#]/)
  const path = (mark === -1 ? target : target.slice(0, mark)).slice(0, MAX_TARGET_LENGTH)
  return mark === -1 ? path : `${path}?${CENSORED}`
}

/** pino's paths name no depth of their own accord: at the top, one below (`headers`), two below (`req.headers`). */
function pathsOf (key: string): string[] {
  const bracketed = key.startsWith('"') ? `[${key}]` : `.${key}`
  return [bracketed.replace(/^\./, ''), `*${bracketed}`, `*.*${bracketed}`]
}
