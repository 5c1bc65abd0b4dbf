import type { PolicyDocument, RouteDocument } from '../config/schema.js'
import type { TokensDocument } from '../config/tokens-schema.js'
import type { Limiter } from '../limits/contract.js'
import type { PromptRule } from '../prompt/contract.js'
import type { ModelPlace, Pointer, TokenPlaces, TokenRule, UsagePlaces } from '../tokens/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { patternOf } from './compile-prompts.js'
import { pointerOf } from './pointers.js'

/** What routes go by that name nothing. */
const DEFAULT = 'default'
const PATH = 'path:'
const PARAMETER = /^[A-Za-z_]\w*$/

/** Makes what is known of the backends' APIs, by name. */
export function compileTokens ({ tokens = {} }: PolicyDocument, report: Report): Map<string, TokenPlaces> {
  return new Map(Object.entries(tokens).map(([name, entry]) => [name, compilePlaces(name, entry, report)]))
}

function compilePlaces (name: string, entry: TokensDocument, report: Report): TokenPlaces {
  const path = ['tokens', name]
  const one = (key: 'write' | 'stream' | 'includeUsage') =>
    entry[key] === undefined ? undefined : pointerOf(entry[key], [...path, key], report)
  const many = (key: 'max' | 'times' | 'prompts' | 'more') => pointersOf(entry[key], [...path, key], report)
  const write = one('write')
  return {
    name,
    caps: withPlace(many('max'), write),
    write,
    times: many('times'),
    prompts: many('prompts'),
    more: many('more'),
    stream: one('stream'),
    includeUsage: one('includeUsage'),
    models: (entry.model ?? []).map((text, index) => modelPlaceOf(text, [...path, 'model', index], report)),
    usage: (entry.usage ?? []).map((usage, index) => compileUsage(usage, [...path, 'usage', index], report)),
    streamed: (entry.streamed ?? []).map((text, index) => patternOf(text, [...path, 'streamed', index], report)),
  }
}

/** The place that is written to is read, too. */
function withPlace (places: readonly Pointer[], own: Pointer | undefined): readonly Pointer[] {
  const isThere = own === undefined || places.some((place) => place.join('/') === own.join('/'))
  return isThere ? places : [...places, own]
}

type UsageDocument = NonNullable<TokensDocument['usage']>[number]

function compileUsage ({ at, input, output }: UsageDocument, path: DocumentPath, report: Report): UsagePlaces {
  if ((input ?? output) === undefined) report(path, 'neither input nor output', 'where the numbers stand: input, output or both')
  return {
    at: at === undefined ? [[]] : pointersOf(at, [...path, 'at'], report),
    input: pointersOf(input, [...path, 'input'], report),
    output: pointersOf(output, [...path, 'output'], report),
  }
}

function pointersOf (texts: readonly string[] = [], path: DocumentPath, report: Report): Pointer[] {
  return texts.map((text, index) => pointerOf(text, [...path, index], report))
}

function modelPlaceOf (text: string, path: DocumentPath, report: Report): ModelPlace {
  if (!text.startsWith(PATH)) return { in: 'body', pointer: pointerOf(text, path, report) }
  const name = text.slice(PATH.length)
  if (!PARAMETER.test(name)) report(path, JSON.stringify(text), 'path:NAME, a parameter of the route, or a JSON pointer')
  return { in: 'path', name }
}

export interface RouteTokensContext {
  /** By name. */
  readonly tokens: ReadonlyMap<string, TokenPlaces>
  /** The route's, those that are switched on. */
  readonly limiters: readonly Limiter[]
  readonly prompt: PromptRule | undefined
  readonly path: DocumentPath
  readonly report: Report
}

/** How a route's requests are counted by what their bodies say; undefined: none of its limiters asks. */
export function compileRouteTokens (
  { tokens: name = DEFAULT }: RouteDocument, { tokens, limiters, prompt, path, report }: RouteTokensContext
): TokenRule | undefined {
  const places = tokens.get(name)
  if (places === undefined && name !== DEFAULT) {
    const known = [...tokens.keys()]
    report([...path, 'tokens'], JSON.stringify(name), `a name in this policy's tokens (${known.join(', ')})`, known)
  }
  if (!limiters.some((limiter) => limiter.tokens !== undefined || limiter.key.includes('model'))) return undefined
  return { places: places ?? compilePlaces(name, {}, report), prompt }
}
