/** Finds in a body what was rewritten before, and has it replaced once more. */
import type { Exchange } from '../exchange.js'
import { findTexts, type FoundTexts, type LocatedText, type Path } from '../prompt/prompt.js'
import { canEdit, replaceTexts, type Edit } from '../rewriting/rewriting.js'
import { Turns } from '../turns.js'
import type { DoormanUse } from './contract.js'
import type { Finder } from './finder.js'
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
  /** The category for which the newest message, as it stands, was rewritten before; undefined: it was not. */
  readonly category: string | undefined
}

const NOTHING: Recalled = { older: [], unanswered: [], readings: new Map(), category: undefined }

/** Of the whole process. */
const turns = new Turns()

/**
 * Asks nobody and costs nothing where nothing of the subject was rewritten. Takes time linear in the body, in turns with
 * others where that is long. The scope `last` spares copies at the time of the rewriting; afterwards the message itself
 * comes back as history, so that history is looked at. Never rejects.
 */
export function recall (exchange: Exchange, use: DoormanUse, rewritings: Rewritings): Recalled | Promise<Recalled> {
  const { rules, prompt: rule, observe } = use
  const finder = observe || !canEdit(exchange) ? undefined : rewritings.finderFor(exchange.identity, rules)
  if (finder === undefined) return NOTHING
  const scope = rules.rewrite.scope === 'all' ? 'all' : 'history'
  const found = findTexts(exchange.json, { rule, scope }, (text, path, messageAt): Spot => ({
    message: messageAt === 0 ? undefined : path[messageAt - 1],
    // Few texts have a length that says anything: of the others nothing is kept.
    located: finder.mayKnow(text) ? { text, pointer: path.map(String), messageAt } : undefined,
  }))
  const steps = recalling(exchange.json, found, finder)
  const first = steps.next()
  return first.done === true ? first.value : turns.finish(steps)
}

/** A place, as `Readings` names it. */
export function placeOf (path: Path | readonly string[]): string {
  return path.join('\0')
}

/** A text of the body. */
interface Spot {
  /** Number of its message in its list; undefined: it is in none. */
  readonly message: string | number | undefined
  /** Undefined: it cannot be one that was rewritten. */
  readonly located: LocatedText | undefined
}

function * recalling (json: unknown, { newest, older, rest }: FoundTexts<Spot>, finder: Finder): Generator<undefined, Recalled> {
  const readings = new Map<string, string>()
  const edits = { older: new Array<Edit>(), unanswered: new Array<Edit>() }
  let looked = 0
  function * look (spots: readonly Spot[], made: Edit[]): Generator<undefined, void> {
    const texts = textsOf(spots)
    for (let i = 0; i < spots.length;) {
      if (++looked % STEP_TEXTS === 0) yield
      const found = finder.findAt(texts, i)
      const count = found?.parts.length ?? 1
      if (found !== undefined) {
        const replaced = spots.slice(i, i + count).flatMap(({ located }) => located ?? [])
        for (const edit of replaceTexts(json, replaced, found.replacement)) made.push(edit)
        for (const { pointer } of replaced) readings.set(placeOf(pointer), '')
        readings.set(placeOf(made.at(-1)?.pointer ?? []), found.replacement)
      }
      i += count
    }
  }
  for (const spots of older) yield * look(spots, edits.older)
  for (const spot of rest) yield * look([spot], edits.older)
  yield * look(unansweredOf(newest), edits.unanswered)
  return { ...edits, readings, category: categoryOf(newest, finder) }
}

function textsOf (spots: readonly Spot[]): (string | undefined)[] {
  return spots.map(({ located }) => located?.text)
}

function unansweredOf (newest: readonly Spot[]): readonly Spot[] {
  const last = newest.findLast(({ message }) => message !== undefined)?.message
  return newest.filter(({ message }) => message !== undefined && message !== last)
}

function categoryOf (newest: readonly Spot[], finder: Finder): string | undefined {
  const found = finder.findAt(textsOf(newest), 0)
  return found?.parts.length === newest.length ? found.category : undefined
}
