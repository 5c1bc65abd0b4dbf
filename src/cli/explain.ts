import type { Command } from 'commander'
import type { InspectionRule } from '../content/contract.js'
import type { IdentitySource } from '../identity/contract.js'
import type { Limiter, OnFailure } from '../limits/contract.js'
import type { OutcomeRule } from '../outcomes/contract.js'
import type { ConcurrencyRule, Policy, RouteEntry } from '../policy/contract.js'
import type { Plan } from '../policy/plan-contract.js'
import { loadPolicy, type LoadedPolicy } from '../policy/load-policy.js'
import { createPlanner, NO_PARTS } from '../policy/plan.js'
import { createRouteTable } from '../policy/route-table.js'
import { silencesAnybody, suspendsAnybody } from '../policy/suspending.js'
import { parseTarget } from '../policy/target.js'
import { allowText, conditionLines, onceText } from './condition-text.js'
import { doormanText, doormanUseText } from './doorman-text.js'
import { durationText } from './duration-text.js'
import { actionText, countedText, maxText, promptText, refusalText, signText, suspensionsText } from './rule-text.js'
import type { Terminal } from './terminal.js'

const MALFORMED = 'This target is malformed: it is answered 400.\n'

/** `portcullis explain METHOD PATH` */
export function addExplain (program: Command, terminal: Terminal): void {
  program.command('explain')
    .description('say which route entries match a request, and every check in order')
    .argument('<method>', 'GET, POST, …')
    .argument('<path>', 'the target as a client sends it')
    .action(async (method: string, path: string) => {
      const loaded = await loadPolicy(terminal)
      terminal.stdout.write(explain(loaded, method.toUpperCase(), path))
    })
}

/** Every reading of the target with its entry, then the checks of all entries in the order in which they are asked. */
export function explain ({ config, policy }: LoadedPolicy, method: string, path: string): string {
  const target = parseTarget(path)
  const table = createRouteTable(policy.routes)
  const readings = target === undefined ? undefined : table.explain(method, target.path)
  const matched = target === undefined ? undefined : table.match(method, target.path)
  if (readings === undefined || matched === undefined) return MALFORMED
  const planner = createPlanner(policy, () => NO_PARTS)
  const plan = planner.planOf(matched.entries)
  const lines = [
    `${method} ${path}`,
    '',
    'Readings of the path, and where each leads:',
    ...readings.map(({ reading, entries }) => `  ${reading}  →  ${names(entries)}`),
    '',
    `Checks, in order (mode ${plan.mode})${plan.frames !== undefined ? ', of each frame those from the suspension on' : ''}:`,
    ...checksOf(policy, plan, config.settings.store.redis !== undefined).map((check, i) => `  ${i + 1}. ${check}`),
    '',
    `A refusal is answered as ${plan.dialectOf('')}.`,
  ]
  return `${lines.join('\n')}\n`
}

function checksOf (policy: Policy, plan: Plan, isRedis: boolean): string[] {
  const { bans, access } = policy
  const allowed = allowText(access)
  const failureText = ({ onFailure }: { onFailure: OnFailure }) => isRedis ? `; without Redis ${onFailure}` : ''
  const limiter = (one: Limiter) => `${limiterText(one)}${failureText(one)}`
  if (policy.mode === 'off') return ['forward to the backend (mode off: nothing is checked)']
  return [
    ...secretTexts([...policy.identity, ...plan.identity]),
    `ban or deny of user or address${bans.enabled ? '' : ' (automatic bans are off: only manual ones hold)'}`,
    ...allowed === undefined ? [] : [`allowlist: ${allowed}`],
    ...plan.identity.length === 0 ? [] : ['who it is, by credentials of this route alone'],
    ...suspendsAnybody(policy) && silencesAnybody(plan) ? ['suspension: who is suspended is told so, and nothing is counted'] : [],
    ...plan.browser === undefined
      ? []
      : [`browser only (${plan.browser.level}), violation ${policy.browser.violation}, score ${policy.browser.score}`],
    ...plan.once === undefined ? [] : [onceText(plan.once)],
    ...plan.when === undefined ? [] : [`limits, content and doorman only ${conditionLines(plan.when.conditions).join(', ')}`],
    ...plan.limiters.filter(({ after }) => after === 'head').map(limiter),
    ...plan.forgiveMs === 0
      ? []
      : [`forgiven: a GET of the same address and path within ${durationText(plan.forgiveMs)} of the last counted one`],
    ...plan.accounts.map(({ email }) => `ban of the account that the e-mail at /${email.join('/')} names`),
    ...plan.inspections.flatMap(inspectionTexts),
    ...plan.limiters.filter(({ after }) => after !== 'head').map(limiter),
    ...plan.concurrency.map((rule) => `${concurrencyText(rule)}${failureText(rule)}`),
    ...plan.doorman.map((use) =>
      `doorman, looking at ${doormanUseText(use)}, asks ${doormanText(use.rules)}${use.observe && !use.rules.observe ? '; observed only' : ''}`),
    'forward to the backend',
    ...plan.outcomes.map(outcomeText),
  ]
}

function secretTexts (sources: readonly IdentitySource[]): string[] {
  const names = sources.flatMap(({ secretHeader }) => secretHeader?.required === true ? [secretHeader.name] : [])
  return [...new Set(names)].map((name) => `secret in the header ${name}: without it 401, before the body`)
}

function inspectionTexts ({ prompt, content }: InspectionRule): string[] {
  const { name, scope, checks, observe } = content
  const suspends = checks.some(({ action }) => action === 'suspend') ? `; suspensions ${suspensionsText(content)}` : ''
  return [
    `content ${name}, looking at ${promptText(prompt)} (${scope})${suspends}${observe ? '; observed only' : ''}`,
    ...checks.map((check) => `content check ${check.name}: ${actionText(check)}`),
  ]
}

function limiterText (limiter: Limiter): string {
  const { name, windowMs, key, algorithm, violation, score, observe } = limiter
  const price = violation === undefined ? 'no violation' : `violation ${violation}, score ${score}`
  return `limiter ${name}: ${maxText(limiter)} per ${durationText(windowMs)} by ${key.join('+')} (${algorithm}), counting ${countedText(limiter)}; ` +
    `${price}; refused with ${refusalText(limiter)}${observe ? '; observed only' : ''}`
}

function outcomeText ({ name, when, violation, score, observe }: OutcomeRule): string {
  return `outcome ${name}, when the answer has ${signText(when)}: violation ${violation}, score ${score}` +
    (observe ? '; observed only' : '')
}

function concurrencyText ({ name, key, max, release, leaseMs }: ConcurrencyRule): string {
  return `concurrency ${name}: ${max} in flight by ${key.join('+')}, freed by ${release}, lease ${durationText(leaseMs)}`
}

function names (entries: readonly RouteEntry[]): string {
  return entries.length === 0 ? 'no entry' : entries.map(({ match }) => match).join(' and ')
}
