import { METHODS } from 'node:http'
import { fold } from './path-transforms.js'

/** One place between slashes. */
export interface PatternPart {
  readonly kind: 'static' | 'parameter' | 'wildcard'
  /** The static text, or what stands before the `*` in its segment. */
  readonly text: string
  readonly folded: string
  /** Name of the parameter, `*` for the wildcard, empty for static text. */
  readonly name: string
}

/** A pattern as validated: methods, and the path without its trailing slash. */
export interface ValidPattern {
  readonly methods: readonly string[] | '*'
  readonly path: string
  /** Names that `unless` and `path:NAME` may use; the wildcard's is `*`. */
  readonly params: readonly string[]
}

/** `problem` says what was found, `expected` what would be right; together they read as one sentence. */
export interface PatternProblem { readonly problem: string, readonly expected: string }

const syntax = 'METHOD /path, METHOD,METHOD /path or * /path with static segments, :param, a last :param? or a last *'
const parameterForm = /^:([A-Za-z_][A-Za-z0-9_]*)$/
/** A bit each in the route table's masks. */
const maxSegments = 30
/** Refused by the gateway before any route is looked for. */
const neverForwarded: ReadonlySet<string> = new Set(['CONNECT', 'TRACE'])

/** Reads what a policy file writes as `match`; `unless` names the parameters that the entry's exclusions use. */
export function validatePattern (match: string, unless: Iterable<string> = []): ValidPattern | PatternProblem {
  const [method = '', written = '', ...rest] = match.trim().split(/\s+/)
  if (written === '' || rest.length > 0) return { problem: quote(match), expected: syntax }
  const methods = readMethods(method)
  if ('problem' in methods) return methods
  const path = withoutTrailingSlash(written)
  const problem = problemOfPath(path, written)
  if (problem !== undefined) return problem
  const params = [...new Set(pathsOf(path).flatMap(partsOf).flatMap(({ name }) => name === '' ? [] : name))]
  for (const name of unless) {
    if (!params.includes(name)) return { problem: quote(name), expected: expectedNames(path, params) }
  }
  return { methods: methods.names, path, params }
}

/** The paths that a pattern stands for: two when its last parameter is optional. */
export function pathsOf (path: string): readonly string[] {
  if (!path.endsWith('?')) return [path]
  const full = path.slice(0, -1)
  return [full, withoutTrailingSlash(full.slice(0, full.lastIndexOf('/') + 1))]
}

/** The parts of a valid path without optional parameter. */
export function partsOf (path: string): readonly PatternPart[] {
  return path.slice(1).split('/').map((segment) => {
    const name = parameterForm.exec(segment)?.[1]
    if (name !== undefined) return { kind: 'parameter', text: '', folded: '', name }
    const wildcard = segment.endsWith('*')
    const text = literalOf(wildcard ? segment.slice(0, -1) : segment)
    return { kind: wildcard ? 'wildcard' : 'static', text, folded: fold(text), name: wildcard ? '*' : '' }
  })
}

function readMethods (list: string): { names: readonly string[] | '*' } | PatternProblem {
  if (list === '*') return { names: '*' }
  const names = list.split(',')
  for (const name of names) {
    const upper = name.toUpperCase()
    if (neverForwarded.has(upper)) return { problem: quote(name), expected: 'a method that is forwarded' }
    if (METHODS.includes(name)) continue
    return { problem: quote(name), expected: METHODS.includes(upper) ? upper : 'an HTTP method, methods with commas, or *' }
  }
  return { names: [...new Set(names)] }
}

function problemOfPath (path: string, written: string): PatternProblem | undefined {
  const expect = (expected: string): PatternProblem => ({ problem: quote(written), expected })
  if (!path.startsWith('/')) return expect('a path that starts with /')
  if (/[\s?#\\](?!$)|[\s#\\]$/.test(path)) return expect('a path without blanks, query, # and backslashes')
  const segments = path.slice(1).split('/')
  if (segments.length > maxSegments) return expect(`at most ${maxSegments} segments`)
  const names = new Set<string>()
  for (const [index, segment] of segments.entries()) {
    const problem = problemOfSegment(segment, index === segments.length - 1, path)
    if (problem !== undefined) return expect(problem)
    if (!segment.startsWith(':') || segment.startsWith('::')) continue
    if (names.has(segment)) return expect(`each parameter once, and ${segment} stands twice`)
    names.add(segment)
  }
  return undefined
}

/** What would be right instead of this segment; undefined: it is. */
function problemOfSegment (segment: string, last: boolean, path: string): string | undefined {
  if (segment === '' && path !== '/') return 'a path without empty segments'
  if (segment === '.' || segment === '..') return 'a path without dot segments'
  const optional = last && segment.endsWith('?')
  const plain = optional ? segment.slice(0, -1) : segment
  if (parameterForm.test(plain)) return undefined
  if (optional) return 'only a parameter as optional last segment'
  const literal = literalOrNothing(last && segment.endsWith('*') ? segment.slice(0, -1) : segment)
  if (literal === undefined) return 'valid percent escapes'
  if (literal.includes('*')) return 'a wildcard only as last character'
  if (/[:()]/.test(segment.replaceAll('::', ''))) return 'parameters that fill a segment (:name); a literal colon is written ::'
  return undefined
}

/** As decoded readings show it: only reserved characters stay escaped. */
function literalOf (text: string): string {
  return literalOrNothing(text) ?? text
}

function literalOrNothing (text: string): string | undefined {
  try {
    return decodeURI(text.replaceAll('%25', '%2525')).replaceAll('::', ':')
  } catch {
    return undefined
  }
}

function withoutTrailingSlash (path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function expectedNames (path: string, params: readonly string[]): string {
  return params.length === 0 ? `no exclusion, since ${path} has no parameters` : `a parameter of ${path}: ${params.join(', ')}`
}

function quote (text: string): string {
  return JSON.stringify(text)
}
