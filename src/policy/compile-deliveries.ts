/** Which requests of a route cost something, and which come twice. */
import type { RouteDocument } from '../config/schema.js'
import { createConditions } from '../conditions/conditions.js'
import type { OnceRule } from '../deliveries/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { compileConditions } from './compile-conditions.js'
import type { RouteEntry, TriggerRule } from './contract.js'
import { pointerOf } from './pointers.js'
import { unwritten, type UnsetAt } from './unwritten.js'

/** Whoever delivers by webhook gives up after a day or earlier. */
const KNOWN_MS = 86_400_000
/** A backend that answers nothing for so long answers no more. */
const IN_FLIGHT_MS = 600_000
/** Those who deliver wait for an answer themselves, often a minute. */
const PATIENCE_MS = 50_000
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD'])

interface DeliveryContext {
  readonly path: DocumentPath
  readonly methods: RouteEntry['methods']
  readonly report: Report
  readonly warnings: string[]
  readonly unsetAt: UnsetAt
}

export function compileDeliveries (
  entry: RouteDocument, { path, methods, report, warnings, unsetAt }: DeliveryContext
): Pick<RouteEntry, 'when' | 'once'> {
  const isBodiless = methods !== '*' && methods.length > 0 && methods.every((method) => WITHOUT_BODY.has(method))
  const found = (key: 'when' | 'once') => `${key} on ${JSON.stringify(entry.match)}, whose requests have no body`
  if (entry.when !== undefined && isBodiless && entry.frames !== 'inspect') {
    report([...path, 'when'], found('when'), 'a method with a body, or frames: inspect where a WebSocket begins')
  }
  if (entry.once !== undefined && isBodiless) report([...path, 'once'], found('once'), 'a method with a body')
  const when = whenOf(entry, [...path, 'when'], report)
  const nameless = namelessMention(entry)
  if (nameless !== undefined) {
    const key = unwritten([...path, ...nameless, 'mention', 'name'], unsetAt)
    warnings.push(`when on ${JSON.stringify(entry.match)}: ${key} names nobody, so that whoever is meant, all count`)
  }
  return { when, once: onceOf(entry, [...path, 'once'], report) }
}

function whenOf ({ when }: RouteDocument, path: DocumentPath, report: Report): TriggerRule | undefined {
  if (when === undefined) return undefined
  const conditions = compileConditions(when.body, [...path, 'body'], report)
  return { conditions, holds: createConditions(conditions, 'holds') }
}

/** Where the first condition stands that takes whoever is meant for the backend itself. */
function namelessMention ({ when }: RouteDocument): DocumentPath | undefined {
  const places = (when?.body ?? []).flatMap(({ mention, all = [] }, i) => [
    { mention, path: ['when', 'body', i] },
    ...all.map((one, k) => ({ mention: one.mention, path: ['when', 'body', i, 'all', k] })),
  ])
  return places.find(({ mention }) => mention !== undefined && mention.name === undefined)?.path
}

function onceOf ({ once }: RouteDocument, path: DocumentPath, report: Report): OnceRule | undefined {
  if (once === undefined) return undefined
  return {
    id: pointerOf(once.id, [...path, 'id'], report),
    knownMs: once.for ?? KNOWN_MS,
    inFlightMs: once.inFlight ?? IN_FLIGHT_MS,
    patienceMs: once.patience ?? PATIENCE_MS,
  }
}
