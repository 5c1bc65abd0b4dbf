/** Finds in a body what was rewritten before, and has it replaced once more. */
import type { Exchange } from '../exchange.js'
import type { Path } from '../json-members.js'
import { findTexts, isSaid, type FoundTexts, type LocatedText } from '../prompt/prompt.js'
import type { Edit } from '../rewriting/contract.js'
import { canEdit, replaceTexts } from '../rewriting/rewriting.js'
import { turns } from '../turns.js'
import type { DoormanUse } from './contract.js'
import { MOST_PARTS, type Finder, type Rewriting } from './finder.js'
import type { Rewritings } from './rewritings.js'

/** Texts that one step looks at; bodies with more of them take turns with others. */
const STEP_TEXTS = 500

/** What the backend reads in places of a body, where that is not what is written; empty: it is taken out. */
export type Readings = ReadonlyMap<string, string>

export interface Recalled {
  /** Of what was said before the newest message. */
  readonly older: readonly Edit[]
  /** Of messages that nobody has answered, before the last of them: with it they are what is judged. */
  readonly unanswered: readonly Edit[]
  readonly readings: Readings
  /** The newest message, as it stands, was rewritten before; undefined: it was not. */
  readonly known: Rewriting | undefined
}

const NOTHING: Recalled = { older: [], unanswered: [], readings: new Map(), known: undefined }

/**
 * Asks nobody and costs nothing where nothing of the subject was rewritten. Takes time linear in the body, in turns with
 * others where that is long. The scope `last` spares copies at the time of the rewriting; afterwards the message itself
 * comes back as history, so that history is looked at, and quotes. What others say, and instructions, are not: whoever
 * repeats them must not erase them. Never rejects.
 */
export function recall (exchange: Exchange, use: DoormanUse, rewritings: Rewritings): Recalled | Promise<Recalled> {
  const { rules, prompt: rule, observe } = use
  const finder = observe || !canEdit(exchange) ? undefined : rewritings.finderFor(exchange.identity, rules)
  if (finder === undefined) return NOTHING
  // Of most texts nothing is kept but the number of their message.
  const found = findTexts(exchange.json, { rule, scope: 'history' }, (text, path, messageAt): Spot | null => {
    const message = path[messageAt - 1]
    if (finder.mayKnow(text)) return { text, pointer: path.map(String), messageAt, message }
    return isSaid(text) ? message : null
  })
  const steps = recalling(exchange.json, found, finder)
  const first = steps.next()
  return first.done === true ? first.value : turns.finish(steps)
}

/** A place, as `Readings` names it. */
export function placeOf (path: Path | readonly string[]): string {
  return path.join('\0')
}

/** The number of a message; undefined: it is in no list of messages. */
type MessageName = string | number | undefined

/** A text of the body, or of one that was never rewritten its message alone. */
type Spot = LocatedText & { readonly message: MessageName } | MessageName

/** Each `yield` is the end of a step. */
function * recalling (json: unknown, found: FoundTexts<Spot | null>, finder: Finder): Generator<undefined, Recalled> {
  const { older, quotes } = found
  const newest = found.newest.filter(isSpot)
  const readings = new Map<string, string>()
  let looked = 0
  const isStep = (): boolean => ++looked % STEP_TEXTS === 0
  function * edit (spots: readonly Spot[], edits: Edit[]): Generator<undefined, void> {
    const numbers = []
    for (const spot of spots) {
      numbers.push(numberOf(spot, finder))
      if (isStep()) yield
    }
    for (let i = 0; i < spots.length;) {
      const rewriting = finder.findAt(numbers, i)
      const count = rewriting?.parts.length ?? 1
      if (rewriting !== undefined) replace(spots.slice(i, i + count), rewriting.replacement, { json, edits, readings })
      i += count
      if (isStep()) yield
    }
  }
  const made = { older: new Array<Edit>(), unanswered: new Array<Edit>() }
  for (const spots of older) yield * edit(spots.filter(isSpot), made.older)
  for (const spot of quotes.filter(isSpot)) yield * edit([spot], made.older)
  yield * edit(unansweredOf(newest), made.unanswered)
  return { ...made, readings, known: knownOf(newest, finder) }
}

/** What says nothing is part of nothing. */
function isSpot (spot: Spot | null): spot is Spot {
  return spot !== null
}

interface Made {
  readonly json: unknown
  readonly edits: Edit[]
  readonly readings: Map<string, string>
}

function replace (spots: readonly Spot[], replacement: string, { json, edits, readings }: Made): void {
  const texts = spots.filter((spot) => typeof spot === 'object')
  for (const { pointer } of texts) readings.set(placeOf(pointer), '')
  for (const edit of replaceTexts(json, texts, replacement)) {
    edits.push(edit)
    if (edit.value === replacement) readings.set(placeOf(edit.pointer), replacement)
  }
}

function unansweredOf (newest: readonly Spot[]): readonly Spot[] {
  const messages = newest.map(messageOf)
  const last = messages.findLast((message) => message !== undefined)
  return newest.filter((_, i) => messages[i] !== undefined && messages[i] !== last)
}

function messageOf (spot: Spot): MessageName {
  return typeof spot === 'object' ? spot.message : spot
}

function numberOf (spot: Spot, finder: Finder): number {
  return typeof spot === 'object' ? finder.numberOf(spot.text) : 0
}

/** Longer ones are known in pieces, which say nothing of the whole. */
function knownOf (newest: readonly Spot[], finder: Finder): Rewriting | undefined {
  if (newest.length > MOST_PARTS) return undefined
  const found = finder.findAt(newest.map((spot) => numberOf(spot, finder)), 0)
  return found?.parts.length === newest.length ? found : undefined
}
