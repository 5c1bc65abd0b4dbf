import type { PolicyDocument, RouteDocument } from '../config/schema.js'
import type { AccountRule } from '../accounts/contract.js'
import type { ContentRules } from '../content/contract.js'
import type { DoormanRules } from '../doorman/contract.js'
import type { Limiter } from '../limits/contract.js'
import type { OutcomeRule } from '../outcomes/contract.js'
import type { TokenPlaces } from '../tokens/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { compileDeliveries } from './compile-deliveries.js'
import { compileIdentity } from './compile-identity.js'
import { compileInspection, inWordsOf } from './compile-inspection.js'
import { compileRouteTokens } from './compile-tokens.js'
import type { ConcurrencyRule, ReleaseRule, RouteEntry } from './contract.js'
import { pointerOf } from './pointers.js'
import { validatePattern } from './route-pattern.js'
import type { UnsetAt } from './unwritten.js'

interface Rules {
  /** Those that are switched on. */
  readonly limiters: ReadonlyMap<string, Limiter>
  readonly concurrency: ReadonlyMap<string, ConcurrencyRule>
  readonly outcomes: ReadonlyMap<string, OutcomeRule>
  readonly content: ReadonlyMap<string, ContentRules>
  readonly tokens: ReadonlyMap<string, TokenPlaces>
  /** Undefined: he is off. */
  readonly doorman: DoormanRules | undefined
  readonly report: Report
  readonly warnings: string[]
  readonly unsetAt: UnsetAt
}

interface Known extends Rules { readonly document: PolicyDocument }

/** Makes runnable route entries; the document has the policy file's entries before the preset's. */
export function compileRoutes (document: PolicyDocument, rules: Rules): RouteEntry[] {
  return (document.routes ?? []).map((entry, index) => compileRoute(entry, index, { document, ...rules }))
}

function compileRoute (entry: RouteDocument, index: number, rules: Known): RouteEntry {
  const { document, report } = rules
  const path = ['routes', index]
  const target = targetOf(entry, path, report)
  const { methods } = target
  const inspection = compileInspection(entry, { ...rules, path, methods })
  const limiters = limitersOf(entry, path, rules).map((one) => inWordsOf(entry, one, document))
  return {
    ...target,
    index,
    authRequired: entry.auth === 'required',
    identity: compileIdentity(entry.identity, { ...rules, path: [...path, 'identity'] }),
    browserOnly: entry.browserOnly ?? 'off',
    limiters,
    tokens: compileRouteTokens(entry, { ...rules, limiters, prompt: inspection.prompt, path }),
    forgiveMs: entry.forgive ?? 0,
    outcomes: outcomesOf(entry, path, rules),
    concurrency: concurrencyOf(entry.concurrency, [...path, 'concurrency'], rules),
    releases: releasesOf(entry, path, rules),
    account: accountOf(entry, [...path, 'account'], report),
    login: entry.login ?? false,
    ...inspection,
    ...compileDeliveries(entry, { ...rules, path, methods }),
    reply: entry.reply ?? document.reply ?? 'problem',
    mode: entry.mode,
  }
}

type Target = Pick<RouteEntry, 'match' | 'methods' | 'path' | 'unless'>

function targetOf ({ match, unless: written = {} }: RouteDocument, at: DocumentPath, report: Report): Target {
  const pattern = validatePattern(match)
  if ('problem' in pattern) report([...at, 'match'], pattern.problem, pattern.expected)
  const unless = new Map(Object.entries(written).map(([name, values]) => [name, new Set(values)]))
  const { methods, path, params } = 'problem' in pattern ? { methods: [], path: '/', params: [...unless.keys()] } : pattern
  for (const name of unless.keys()) {
    if (!params.includes(name)) report([...at, 'unless', name], JSON.stringify(name), parameterOf(params), params)
  }
  return { match, methods, path, unless }
}

function accountOf ({ account }: RouteDocument, path: DocumentPath, report: Report): AccountRule | undefined {
  return account === undefined
    ? undefined
    : {
        email: pointerOf(account.email, [...path, 'email'], report),
        learnEmail: pointerOf(account.learnEmail, [...path, 'learnEmail'], report),
        learnId: pointerOf(account.learnId, [...path, 'learnId'], report),
      }
}

function parameterOf (params: readonly string[]): string {
  return params.length === 0 ? 'no exclusion, since the path has no parameter' : `a parameter of the path: ${params.join(', ')}`
}

/** A limiter that is known but switched off is left out; one that nobody knows is a mistake. */
function limitersOf (entry: RouteDocument, path: DocumentPath, { limiters, document, report }: Known): Limiter[] {
  const known = Object.keys(document.limiters ?? {})
  return (entry.limit ?? []).flatMap((name) => {
    if (!known.includes(name)) report([...path, 'limit'], JSON.stringify(name), `a limiter of this policy (${known.join(', ')})`, known)
    return limiters.get(name) ?? []
  })
}

function outcomesOf (entry: RouteDocument, path: DocumentPath, { outcomes, document, report }: Known): OutcomeRule[] {
  const known = Object.keys(document.outcomes ?? {})
  return (entry.outcomes ?? []).flatMap((name) => {
    if (!known.includes(name)) report([...path, 'outcomes'], JSON.stringify(name), `an outcome of this policy (${known.join(', ')})`, known)
    return outcomes.get(name) ?? []
  })
}

function concurrencyOf (
  name: string | undefined, path: DocumentPath, { concurrency, document, report }: Known
): ConcurrencyRule | undefined {
  if (name === undefined) return undefined
  const known = Object.keys(document.concurrency ?? {})
  if (!known.includes(name)) report(path, JSON.stringify(name), `a concurrency rule of this policy (${known.join(', ')})`, known)
  return concurrency.get(name)
}

function releasesOf (entry: RouteDocument, path: DocumentPath, rules: Known): ReleaseRule | undefined {
  if (entry.releases === undefined) return undefined
  const { concurrency, on, id } = entry.releases
  const rule = concurrencyOf(concurrency, [...path, 'releases', 'concurrency'], rules)
  const param = id?.startsWith('path:') === true ? id.slice('path:'.length) : undefined
  if (on === 'stream' && param === undefined) {
    rules.report([...path, 'releases', 'id'], id === undefined ? 'nothing' : JSON.stringify(id), 'path:NAME, a parameter of the route')
  }
  return rule === undefined ? undefined : { rule, on, param }
}
