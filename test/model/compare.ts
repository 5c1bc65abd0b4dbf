/** One sequence in several places at once, step by step, beside the reference. */
import { AssertionError, deepStrictEqual } from 'node:assert/strict'
import type { Command, Sequence } from './commands.js'
import type { Actor, Deed, Outcome } from './deeds.js'
import { createReference } from './reference.js'
import { Script } from './script.js'

export const START = Date.parse('2026-11-21T12:00:00Z')

export interface Stage {
  readonly actors: readonly Actor[]
  /** Sets the clock by which all of them go. */
  setTime (now: number): void
  /** A number that no other sequence of these actors has. */
  readonly run: number
  /** See `ScriptOptions`. */
  readonly bySubject: boolean
  /** Told what came of each deed. */
  onOutcome? (deed: Deed, outcome: Outcome): void
}

/** Throws at the first step whose outcome is not everywhere that of the reference; the message tells all steps so far. */
export async function runSequence ({ rules, steps }: Sequence, stage: Stage): Promise<void> {
  const { actors, run, bySubject, setTime, onOutcome } = stage
  const script = new Script({ rules, run: String(run), bySubject })
  const reference = createReference()
  const told: string[] = rules.map((rule, index) => `rule ${index}: ${JSON.stringify(rule)}`)
  let now = START

  for (const { command, instance } of [...steps, LAST_LOOK]) {
    now = timeAfter(command, now, reference.edges())
    setTime(now)
    told.push(`${`+${now - START}`.padStart(9)} ${instance} ${JSON.stringify(command)}`)
    const deed = script.deedOf(command, now) ?? script.look()
    const isIdle = command.kind !== 'look' && deed.kind === 'look'
    if (isIdle) continue
    const moment = { now, instance, subjects: script.subjects }
    const expected = await reference.perform(deed, moment)
    for (const { name, perform } of actors) assertSame({ actual: await perform(deed, moment), expected, name, told })
    script.note(deed, expected.answer)
    onOutcome?.(deed, expected)
  }
}

const LAST_LOOK = { command: { kind: 'look' }, instance: 0 } as const

function timeAfter (command: Command, now: number, edges: readonly number[]): number {
  if (command.kind === 'wait') return now + command.ms
  if (command.kind !== 'wait for') return now
  const coming = [...new Set(edges)].filter((edge) => edge + command.offsetMs > now).sort((a, b) => a - b)
  const edge = coming[Math.min(command.pick, coming.length - 1)]
  return edge === undefined ? now : edge + command.offsetMs
}

interface Comparison {
  readonly actual: unknown
  readonly expected: unknown
  readonly name: string
  readonly told: readonly string[]
}

function assertSame ({ actual, expected, name, told }: Comparison): void {
  try {
    deepStrictEqual(actual, expected)
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    throw new Error(`${name} is not as the reference says after\n${told.join('\n')}\n${error.message}`)
  }
}
