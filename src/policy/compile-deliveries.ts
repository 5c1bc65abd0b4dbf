/** Which requests of a route cost something, and which come twice. */
import type { RouteDocument } from '../config/schema.js'
import { createConditions } from '../conditions/conditions.js'
import type { OnceRule } from '../limits/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { compileConditions } from './compile-conditions.js'
import type { RouteEntry, TriggerRule } from './contract.js'
import { pointerOf } from './pointers.js'

/** Telegram delivers an update again for about a day. */
const KNOWN_MS = 86_400_000
/** A bot that answers nothing for so long answers no more. */
const IN_FLIGHT_MS = 600_000
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD'])

interface DeliveryContext {
  readonly path: DocumentPath
  readonly methods: RouteEntry['methods']
  readonly report: Report
  readonly warnings: string[]
}

export function compileDeliveries (
  entry: RouteDocument, { path, methods, report, warnings }: DeliveryContext
): Pick<RouteEntry, 'when' | 'once'> {
  const isBodiless = methods !== '*' && methods.length > 0 && methods.every((method) => WITHOUT_BODY.has(method))
  const found = (key: 'when' | 'once') => `${key} on ${JSON.stringify(entry.match)}, whose requests have no body`
  if (entry.when !== undefined && isBodiless && entry.frames !== 'inspect') {
    report([...path, 'when'], found('when'), 'a method with a body, or frames: inspect where a WebSocket begins')
  }
  if (entry.once !== undefined && isBodiless) report([...path, 'once'], found('once'), 'a method with a body')
  const when = whenOf(entry, [...path, 'when'], report)
  if (when !== undefined && meansAnybody(when)) {
    warnings.push(`when on ${JSON.stringify(entry.match)} names nobody: in groups every mention, every command and every ` +
      'reply to a bot counts, set TELEGRAM_BOT_USERNAME')
  }
  return { when, once: onceOf(entry, [...path, 'once'], report) }
}

function whenOf ({ when }: RouteDocument, path: DocumentPath, report: Report): TriggerRule | undefined {
  if (when === undefined) return undefined
  const conditions = compileConditions(when.body, [...path, 'body'], report)
  return { conditions, holds: createConditions(conditions) }
}

/** A bot without a name is taken to be meant whoever is. */
function meansAnybody ({ conditions }: TriggerRule): boolean {
  return conditions.flat().some((test) => test.kind === 'mention' && test.name === undefined)
}

function onceOf ({ once }: RouteDocument, path: DocumentPath, report: Report): OnceRule | undefined {
  if (once === undefined) return undefined
  return {
    id: pointerOf(once.id, [...path, 'id'], report),
    knownMs: once.for ?? KNOWN_MS,
    inFlightMs: once.inFlight ?? IN_FLIGHT_MS,
  }
}
