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
  /** Where lines go; standard output when absent. */
  readonly destination?: DestinationStream
}

/** The process's logger: JSON lines with ISO instants, secrets censored, query strings cut. */
export function createLogger (settings: LoggerSettings = {}): Logger {
  const options = createLoggerOptions(settings.level)
  if (settings.pretty !== true) return pino(options, settings.destination ?? pino.destination({ dest: 1, sync: false }))
  const stream = pretty({
    colorize: settings.destination === undefined,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
    ...(settings.destination === undefined ? { sync: true } : { destination: settings.destination }),
  })
  return pino(options, stream)
}

/** Options of pino, for whoever brings a destination of their own. */
export function createLoggerOptions (level = 'info'): LoggerOptions {
  return {
    level,
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
