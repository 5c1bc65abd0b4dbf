import type { Prompt } from '../prompt/contract.js'
import { turns } from '../turns.js'
import { inspect, MOST_INSPECTED, unitsIn, type Hit, type Inspection } from './content.js'
import type { ContentCheck, ContentRules, Finding, InspectedPrompt, Normalisation } from './contract.js'
import { plainly } from './inspect-prompt.js'
import { eachReading } from './normalise/readings.js'
import { spellOut } from './normalise/undecided.js'

/** UTF-16 units that are inspected at once: a few milliseconds, whatever they are. */
export const MOST_AT_ONCE = 4096
/** Checks that look at readings; of the others the message itself is all they want. */
const READERS: ReadonlySet<ContentCheck['kind']> = new Set(['keywords', 'pattern'])

type Steps<T> = Generator<undefined, T>

/** What `inspect` says, at once of a short prompt; of a long one reading by reading, while others have their turns. */
export function inspectInTurns (prompt: Prompt, rules: ContentRules): Inspection | Promise<Inspection> {
  const units = unitsIn(prompt)
  if (units <= MOST_AT_ONCE || units > MOST_INSPECTED) return inspect(prompt, rules)
  return turns.finish(inspection(prompt, rules))
}

function * inspection (prompt: Prompt, { checks, normalise }: ContentRules): Steps<Inspection> {
  const unread: InspectedPrompt = { messages: prompt, plain: prompt.map(plainly), readings: [], spellings: [] }
  const flags: Hit[] = []
  let readings: InspectedPrompt[] | undefined
  for (const check of checks) {
    let finding = check.find(unread)
    yield
    if (finding === undefined && READERS.has(check.kind)) {
      readings ??= yield * readAll(prompt, normalise)
      finding = yield * findIn(readings, check)
    }
    if (finding === undefined) continue
    if (check.action !== 'flag') return { hit: { check, finding }, flags }
    flags.push({ check, finding })
  }
  return { hit: undefined, flags }
}

/** Each reading as if it were all that there is. */
function * readAll (prompt: Prompt, normalise: Normalisation): Steps<InspectedPrompt[]> {
  const texts = new Set<string>()
  for (const message of prompt) {
    for (const text of eachReading(message, normalise)) {
      texts.add(text)
      yield
    }
  }
  return [...texts].map(readingAlone)
}

function readingAlone (text: string): InspectedPrompt {
  return { messages: [], plain: [], readings: [text], get spellings () { return spellOut(text) } }
}

function * findIn (readings: readonly InspectedPrompt[], { find }: ContentCheck): Steps<Finding | undefined> {
  for (const reading of readings) {
    const finding = find(reading)
    if (finding !== undefined) return finding
    yield
  }
  return undefined
}
