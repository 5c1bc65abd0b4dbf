import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { catalogue, secretName } from './catalogue.js'
import type { DotenvEntry } from './dotenv.js'
import { nearest, show } from './mistake.js'
import type { Mistake, Place } from './mistake.js'
import { isEmpty, readScalar } from './scalars.js'

export const ENVIRONMENT = 'environment'

/** A variable that is set. */
export interface Variable {
  readonly name: string
  /** What stands for it in a placeholder: numbers and switches in their plain form. */
  readonly text: string
  /** As its kind reads it. */
  readonly value: unknown
  readonly place: Place
  /** As a mistake names it: the variable, or the key of chat.yaml that set it. */
  readonly key: string
  readonly isSecret: boolean
  /** Already reported: what depends on it is not complained about again. */
  readonly isWrong: boolean
}

/** The environment, `.env` and chat.yaml as one, each value with the place it came from. */
export interface Variables {
  /** Undefined: unset or empty. */
  get (name: string): Variable | undefined
  /** The same with some variables set by a stronger source. */
  with (stronger: readonly Variable[]): Variables
  /** Those of the catalogue that are set, in its order. */
  list (): readonly Variable[]
  readonly mistakes: readonly Mistake[]
}

export interface VariableSources {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly dotenv: ReadonlyMap<string, DotenvEntry> | undefined
  readonly cwd: string
}

interface Origin { readonly text: string, readonly place: Place, readonly key: string, readonly fromFile: boolean }

/** Reads `names` at once, so that all their mistakes are known; others when asked for. */
export function createVariables (sources: VariableSources, names: Iterable<string> = catalogue.keys()): Variables {
  const known = new Map<string, Variable | undefined>()
  const mistakes: Mistake[] = []
  const load = (name: string): Variable | undefined => {
    if (!known.has(name)) known.set(name, readVariable(name, sources, mistakes))
    return known.get(name)
  }
  for (const name of names) load(name)
  return layered(load, mistakes)
}

function layered (get: (name: string) => Variable | undefined, mistakes: readonly Mistake[]): Variables {
  return {
    get,
    mistakes,
    with (stronger) {
      const above = new Map(stronger.map((variable) => [variable.name, variable]))
      return layered((name) => above.get(name) ?? get(name), mistakes)
    },
    list: () => [...catalogue.keys()].flatMap((name) => get(name) ?? []),
  }
}

function readVariable (name: string, sources: VariableSources, mistakes: Mistake[]): Variable | undefined {
  const rule = catalogue.get(name)
  const isSecret = rule === undefined ? secretName.test(name) : rule.kind === 'secret'
  const origin = findOrigin(name, isSecret, sources, mistakes)
  if (origin === undefined) return undefined
  const base = { name, place: origin.place, key: origin.key, isSecret: isSecret || origin.fromFile, isWrong: false }
  if (rule === undefined) return { ...base, text: origin.text, value: origin.text }
  const text = rule.kind === 'text' ? origin.text.trim() : origin.text
  const raw = { value: text, text, loose: true }
  if (isEmpty(rule, raw)) return undefined
  const reading = readScalar(rule, raw)
  if ('value' in reading) {
    const value = rule.floor === undefined ? reading.value : Math.max(Number(reading.value), rule.floor)
    return { ...base, text: Array.isArray(value) ? value.join(',') : String(value), value }
  }
  mistakes.push({ ...origin.place, key: origin.key, found: isSecret ? 'a secret' : show(origin.text), ...reading })
  return { ...base, text: origin.text, value: undefined, isWrong: true }
}

/** Environment before `.env`; within each the value itself before the file that holds it. */
function findOrigin (
  name: string, isSecret: boolean, sources: VariableSources, mistakes: Mistake[]
): Origin | undefined {
  for (const lookup of [fromEnvironment, fromDotenv]) {
    const direct = lookup(name, sources)
    if (direct !== undefined) return direct
    const pointer = isSecret ? lookup(`${name}_FILE`, sources) : undefined
    if (pointer !== undefined) return readSecretFile(pointer, sources.cwd, mistakes)
  }
  return undefined
}

function fromEnvironment (name: string, { env }: VariableSources): Origin | undefined {
  const text = env[name]
  if (text === undefined || text.trim() === '') return undefined
  return { text, place: { file: ENVIRONMENT }, key: name, fromFile: false }
}

function fromDotenv (name: string, { dotenv }: VariableSources): Origin | undefined {
  const entry = dotenv?.get(name)
  if (entry === undefined || entry.text.trim() === '') return undefined
  return { text: entry.text, place: entry.place, key: name, fromFile: false }
}

function readSecretFile (pointer: Origin, cwd: string, mistakes: Mistake[]): Origin | undefined {
  const expected = 'a readable file that holds the secret'
  try {
    const text = readFileSync(resolve(cwd, pointer.text.trim()), 'utf8').trim()
    if (text !== '') return { ...pointer, text, fromFile: true }
    mistakes.push({ ...pointer.place, key: pointer.key, found: `${show(pointer.text)}, which is empty`, expected })
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    mistakes.push({ ...pointer.place, key: pointer.key, found: `${show(pointer.text)}${why}`, expected })
  }
  return undefined
}

/** Says which names are probably misspelt. */
export function warnOfNames (names: Iterable<string>): string[] {
  return [...names].flatMap(warnOfName)
}

/** Only long names, one or two letters off: the chat app has hundreds of variables that are none of ours. */
function warnOfName (name: string): string[] {
  if (name.length < 8 || catalogue.has(name) || catalogue.has(name.replace(/_FILE$/, ''))) return []
  const meant = nearest(name, catalogue.keys(), 2)
  return meant === undefined ? [] : [`${name} is not a variable of ours: did you mean ${meant}?`]
}
