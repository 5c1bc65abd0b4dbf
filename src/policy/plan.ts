import { LRUCache } from 'lru-cache'
import type { AccountRule } from '../accounts/contract.js'
import type { InspectionRule } from '../content/contract.js'
import type { Limiter } from '../limits/contract.js'
import type { OutcomeRule } from '../outcomes/contract.js'
import type {
  ConcurrencyRule, DialectName, Policy, PolicyMode, ReleaseRule, RouteEntry, TriggerRule,
} from './contract.js'
import type { MessageRules, Plan, PlanParts, Requirements } from './plan-contract.js'

const UNMATCHED = 'unmatched'
/** Combinations of entries that are kept; hostile spellings can make up many, ordinary ones a handful. */
const KEPT_COMBINATIONS = 1000

/** Of plans that nobody is led through. */
export const NO_PARTS: PlanParts = {
  headChecks: [],
  reading: 'none',
  bodyLimit: 0,
  bodyChecks: [],
  lateChecks: [],
  observers: [],
  frameReading: 'none',
  frameChecks: [],
}

export interface Planner {
  /** The plan for the entries that the readings of a target led to. Each combination is compiled once. */
  planOf (entries: readonly RouteEntry[]): Plan
  /**
   * The same for a WebSocket handshake: entries that look at frames ask of each frame, and not of the handshake, what
   * they ask of a message. Other entries of the combination ask it of the handshake, as of any request.
   */
  handshakePlanOf (entries: readonly RouteEntry[]): Plan
}

type Assemble = (requirements: Requirements) => PlanParts
type Occasion = 'request' | 'handshake'

/**
 * Merges entries into plans. Where readings of one target lead to different entries, the checks of all apply,
 * each limiter once, so that no spelling is a way around one of them.
 * `assemble` turns what they ask into checks; it is called once for each combination.
 */
export function createPlanner (policy: Policy, assemble: Assemble): Planner {
  const planOf = createPlanOf((entries) => makePlan(policy, merge(policy, entries, 'request'), assemble))
  const handshakePlanOf = createPlanOf((entries) => makePlan(policy, merge(policy, entries, 'handshake'), assemble))
  return {
    planOf,
    handshakePlanOf: (entries) =>
      entries.some(({ inspectsFrames }) => inspectsFrames) ? handshakePlanOf(entries) : planOf(entries),
  }
}

function createPlanOf (compile: Planner['planOf']): Planner['planOf'] {
  const plans = new LRUCache<string, Plan>({ max: KEPT_COMBINATIONS })
  const single: (Plan | undefined)[] = []
  let empty: Plan | undefined
  return (entries) => {
    const [first] = entries
    if (first === undefined) {
      empty ??= compile(entries)
      return empty
    }
    if (entries.length === 1) {
      const plan = single[first.index] ?? compile(entries)
      single[first.index] = plan
      return plan
    }
    const key = entries.map((entry) => entry.index).join(',')
    let plan = plans.get(key)
    if (plan === undefined) {
      plan = compile(entries)
      plans.set(key, plan)
    }
    return plan
  }
}

function makePlan (policy: Policy, requirements: Requirements, assemble: Assemble): Plan {
  const { entries } = requirements
  const dialects = new Map<string, DialectName>()
  for (const entry of [...entries].reverse()) {
    const rules = [...entry.limiters, entry.concurrency, ...entry.content?.checks ?? [], ...doormanRules(entry)]
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

/** As his refusals name them. */
function doormanRules ({ doorman }: RouteEntry): { readonly name: string }[] {
  return [...doorman?.rules.categories.values() ?? []].map(({ rule: name }) => ({ name }))
}

function merge (policy: Policy, entries: readonly RouteEntry[], occasion: Occasion): Requirements {
  const active = entries.filter((entry) => modeOf(entry, policy) !== 'off')
  const framed = active.filter(({ inspectsFrames }) => inspectsFrames)
  const asking = occasion === 'request' ? active : active.filter(({ inspectsFrames }) => !inspectsFrames)
  const observes = (entry: RouteEntry) => modeOf(entry, policy) === 'observe'
  return {
    entries,
    mode: strictestMode(entries.map((entry) => modeOf(entry, policy)), policy.mode),
    authRequired: active.some((entry) => entry.authRequired),
    identity: active.flatMap((entry) => entry.identity),
    browser: mergeBrowser(active, observes),
    ...mergeMessage(asking, observes),
    frames: framed.length === 0 ? undefined : mergeMessage(framed, observes),
    forgiveMs: active.length === 0 ? 0 : Math.min(...active.map(({ forgiveMs }) => forgiveMs)),
    outcomes: mergeRules<OutcomeRule>(active, (entry) => entry.outcomes, observes),
    releases: active.flatMap((entry): ReleaseRule[] => entry.releases === undefined ? [] : [entry.releases]),
    // Observe mode forwards everything, what came already too.
    once: asking.find((entry) => entry.once !== undefined && !observes(entry))?.once,
    accounts: active.flatMap((entry): AccountRule[] => entry.account === undefined ? [] : [entry.account]),
    login: active.some((entry) => entry.login),
  }
}

function mergeMessage (entries: readonly RouteEntry[], observes: (entry: RouteEntry) => boolean): MessageRules {
  return {
    limiters: mergeRules<Limiter>(entries, (entry) => entry.limiters, observes),
    tokens: entries.flatMap(({ tokens }) => tokens ?? []),
    concurrency: mergeRules<ConcurrencyRule>(entries, (entry) => entry.concurrency ?? [], observes),
    inspections: entries.flatMap(inspectionOf(observes)),
    doorman: entries.flatMap((entry) => entry.doorman === undefined
      ? []
      : [observes(entry) ? { ...entry.doorman, observe: true } : entry.doorman]),
    when: mergeWhen(entries),
  }
}

/** A trigger is what any entry takes for one; an entry that asks something of a message without `when` takes all. */
function mergeWhen (entries: readonly RouteEntry[]): TriggerRule | undefined {
  const rules = entries.flatMap(({ when }) => when ?? [])
  if (rules.length === 0 || entries.some((entry) => entry.when === undefined && asksOfMessages(entry))) return undefined
  return {
    conditions: rules.flatMap(({ conditions }) => conditions),
    holds: (body) => rules.some(({ holds }) => holds(body)),
  }
}

function asksOfMessages ({ limiters, concurrency, content, doorman }: RouteEntry): boolean {
  return limiters.length > 0 || concurrency !== undefined || content !== undefined || doorman !== undefined
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
