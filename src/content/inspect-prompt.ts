import type { Prompt, PromptMessage } from '../prompt/contract.js'
import type { InspectedPrompt, Normalisation } from './contract.js'
import { readingsOf } from './normalise/readings.js'
import { spellOut } from './normalise/undecided.js'

/** A prompt with its readings, each made when it is first asked for, at most once. */
export function inspectPrompt (prompt: Prompt, normalise: Normalisation): InspectedPrompt {
  const plain = once(() => prompt.map(plainly))
  const readings = once(() => prompt.flatMap((message) => readingsOf(message, normalise)))
  const spellings = once(() => readings().flatMap(spellOut))
  return {
    messages: prompt,
    get plain () { return plain() },
    get readings () { return readings() },
    get spellings () { return spellings() },
  }
}

/** A message as it was sent, its parts on lines of their own. */
export function plainly (message: PromptMessage): string {
  return message.join('\n')
}

function once<T> (make: () => T): () => T {
  let made: { readonly value: T } | undefined
  return () => (made ??= { value: make() }).value
}
