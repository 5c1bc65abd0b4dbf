import { LRUCache } from 'lru-cache'
import type { AccountRule } from '../accounts/contract.js'
import type { Limiter } from '../limits/contract.js'
import type { OutcomeRule } from '../outcomes/contract.js'
import type {
  ConcurrencyRule, DialectName, InspectionRule, Plan, PlanParts, Policy, PolicyMode, ReleaseRule, Requirements,
  RouteEntry,
} from './contract.js'

const UNMATCHED = 'unmatched'
/** Combinations of entries that are kept; hostile spellings can make up many, ordinary ones a handful. */
const KEPT_COMBINATIONS = 1000

export interface Planner {
  /** The plan for the entries that the readings of a target led to. Each combination is compiled once. */
  planOf (entries: readonly RouteEntry[]): Plan
}

/**
 * Merges entries into plans. Where readings of one target lead to different entries, the checks of all apply,
 * each limiter once, so that no spelling is a way around one of them.
 * `assemble` turns what they ask into checks; it is called once for each combination.
 */
export function createPlanner (policy: Policy, assemble: (requirements: Requirements) => PlanParts): Planner {
  const plans = new LRUCache<string, Plan>({ max: KEPT_COMBINATIONS })
  const single: (Plan | undefined)[] = []
  const compile = (entries: readonly RouteEntry[]) => makePlan(policy, entries, assemble)
  const empty = compile([])
  return {
    planOf: (entries) => {
      if (entries.length === 0) return empty
      if (entries.length === 1) {
        const [entry] = entries as [RouteEntry]
        single[entry.index] ??= compile(entries)
        return single[entry.index] as Plan
      }
      const key = entries.map((entry) => entry.index).join(',')
      let plan = plans.get(key)
      if (plan === undefined) {
        plan = compile(entries)
        plans.set(key, plan)
      }
      return plan
    },
  }
}

function makePlan (
  policy: Policy, entries: readonly RouteEntry[], assemble: (requirements: Requirements) => PlanParts
): Plan {
  const requirements = merge(policy, entries)
  const dialects = new Map<string, DialectName>()
  for (const entry of [...entries].reverse()) {
    const rules = [...entry.limiters, entry.concurrency, ...entry.content?.checks ?? []]
    for (const rule of rules) if (rule !== undefined) dialects.set(rule.name, entry.reply)
  }
  const fallback = entries[0]?.reply ?? policy.defaultReply
  return Object.freeze({
    ...requirements,
    ...assemble(requirements),
    dialectOf: (rule: string) => dialects.get(rule) ?? fallback,
    label: entries[0]?.match ?? UNMATCHED,
  })
}

function merge (policy: Policy, entries: readonly RouteEntry[]): Requirements {
  const active = entries.filter((entry) => modeOf(entry, policy) !== 'off')
  const observes = (entry: RouteEntry) => modeOf(entry, policy) === 'observe'
  return {
    entries,
    mode: strictestMode(entries.map((entry) => modeOf(entry, policy)), policy.mode),
    authRequired: active.some((entry) => entry.authRequired),
    identity: active.flatMap((entry) => entry.identity),
    browser: mergeBrowser(active, observes),
    limiters: mergeRules<Limiter>(active, (entry) => entry.limiters, observes),
    forgiveMs: active.length === 0 ? 0 : Math.min(...active.map(({ forgiveMs }) => forgiveMs)),
    outcomes: mergeRules<OutcomeRule>(active, (entry) => entry.outcomes, observes),
    concurrency: mergeRules<ConcurrencyRule>(active, (entry) => entry.concurrency ?? [], observes),
    releases: active.flatMap((entry): ReleaseRule[] => entry.releases === undefined ? [] : [entry.releases]),
    accounts: active.flatMap((entry): AccountRule[] => entry.account === undefined ? [] : [entry.account]),
    inspections: active.flatMap(inspectionOf(observes)),
    prompts: active.flatMap(({ prompt, content }) => content === undefined ? [] : prompt ?? []),
    frames: active.some((entry) => entry.frames),
    login: active.some((entry) => entry.login),
  }
}

function inspectionOf (observes: (entry: RouteEntry) => boolean) {
  return (entry: RouteEntry): InspectionRule[] => {
    const { prompt, content } = entry
    if (prompt === undefined || content === undefined) return []
    return [{ prompt, content: observes(entry) ? { ...content, observe: true } : content }]
  }
}

function modeOf (entry: RouteEntry, policy: Policy): PolicyMode {
  return entry.mode ?? policy.mode
}

function strictestMode (modes: readonly PolicyMode[], fallback: PolicyMode): PolicyMode {
  return (['enforce', 'observe', 'off'] as const).find((mode) => modes.includes(mode)) ?? fallback
}

function mergeBrowser (entries: readonly RouteEntry[], observes: (entry: RouteEntry) => boolean): Requirements['browser'] {
  const asking = entries.filter((entry) => entry.browserOnly !== 'off')
  if (asking.length === 0) return undefined
  return {
    level: asking.some((entry) => entry.browserOnly === 'strict') ? 'strict' : 'ua',
    observe: asking.every(observes),
  }
}

/** Each rule once, in the order of the entries; enforced when any entry enforces it. */
function mergeRules<Rule extends { readonly name: string, readonly observe: boolean }> (
  entries: readonly RouteEntry[],
  rulesOf: (entry: RouteEntry) => Rule | readonly Rule[],
  observes: (entry: RouteEntry) => boolean
): Rule[] {
  const merged = new Map<string, Rule>()
  for (const entry of entries) {
    for (const rule of [rulesOf(entry)].flat() as Rule[]) {
      const asked = observes(entry) ? { ...rule, observe: true } : rule
      const known = merged.get(rule.name)
      if (known === undefined || known.observe) merged.set(rule.name, asked)
    }
  }
  return [...merged.values()]
}
