import type { RouteEntry } from '../../src/policy/contract.js'
import { validatePattern } from '../../src/policy/route-pattern.js'

/** A route entry as the policy compiler makes it; nothing but the match matters to the route table. */
export function routeEntry (match: string, index = 0, unless: Record<string, string[]> = {}): RouteEntry {
  const pattern = validatePattern(match, Object.keys(unless))
  if ('problem' in pattern) throw new Error(`found ${pattern.problem}, expected ${pattern.expected}`)
  return {
    index,
    match,
    methods: pattern.methods,
    path: pattern.path,
    unless: new Map(Object.entries(unless).map(([name, values]) => [name, new Set(values)])),
    authRequired: false,
    identity: [],
    browserOnly: 'off',
    limiters: [],
    tokens: undefined,
    forgiveMs: 0,
    outcomes: [],
    concurrency: undefined,
    releases: undefined,
    account: undefined,
    prompt: undefined,
    content: undefined,
    doorman: undefined,
    when: undefined,
    once: undefined,
    inspectsFrames: false,
    login: false,
    reply: 'problem',
    mode: undefined,
  }
}

/** Matches in file order; a pair also says what is excluded. */
export function routeEntries (...matches: (string | [string, Record<string, string[]>])[]): RouteEntry[] {
  return matches.map((match, index) => typeof match === 'string' ? routeEntry(match, index) : routeEntry(match[0], index, match[1]))
}
