import type { Command } from 'commander'
import type { Limiter } from '../limits/contract.js'
import type { Plan, Policy, RouteEntry } from '../policy/contract.js'
import { loadPolicy } from '../policy/load-policy.js'
import { createPlanner } from '../policy/plan.js'
import { createRouteTable } from '../policy/route-table.js'
import { parseTarget } from '../policy/target.js'
import { durationText } from './duration-text.js'
import type { Terminal } from './terminal.js'

const MALFORMED = 'This target is malformed: it is answered 400.\n'

/** `portcullis explain METHOD PATH` */
export function addExplain (program: Command, terminal: Terminal): void {
  program.command('explain')
    .description('say which route entries match a request, and every check in order')
    .argument('<method>', 'GET, POST, …')
    .argument('<path>', 'the target as a client sends it')
    .action(async (method: string, path: string) => {
      const { policy } = await loadPolicy(terminal)
      terminal.stdout.write(explain(policy, method.toUpperCase(), path))
    })
}

/** Every reading of the target with its entry, then the checks of all entries in the order in which they are asked. */
export function explain (policy: Policy, method: string, path: string): string {
  const target = parseTarget(path)
  const table = createRouteTable(policy.routes)
  const readings = target === undefined ? undefined : table.explain(method, target.path)
  const matched = target === undefined ? undefined : table.match(method, target.path)
  if (readings === undefined || matched === undefined) return MALFORMED
  const nothing = { headChecks: [], bodyChecks: [], lateChecks: [], bodyLimit: 0, observers: [] }
  const planner = createPlanner(policy, () => nothing)
  const plan = planner.planOf(matched.entries)
  const lines = [
    `${method} ${path}`,
    '',
    'Readings of the path, and where each leads:',
    ...readings.map(({ reading, entries }) => `  ${reading}  →  ${names(entries)}`),
    '',
    `Checks, in order (mode ${plan.mode}):`,
    ...checksOf(policy, plan).map((check, i) => `  ${i + 1}. ${check}`),
    '',
    `A refusal is answered as ${plan.dialectOf('')}.`,
  ]
  return `${lines.join('\n')}\n`
}

function checksOf (policy: Policy, plan: Plan): string[] {
  const { bans, access } = policy
  if (policy.mode === 'off') return ['forward to the backend (mode off: nothing is checked)']
  return [
    `ban or deny of user or address${bans.enabled ? '' : ' (automatic bans are off: only manual ones hold)'}`,
    ...access.allowUsers.size + access.allowGroups.size > 0 ? ['allowlist'] : [],
    ...plan.browser === undefined
      ? []
      : [`browser only (${plan.browser.level}), violation ${policy.browser.violation}, score ${policy.browser.score}`],
    ...plan.limiters.map(limiterText),
    ...plan.accounts.map(({ email }) => `ban of the account that the e-mail at /${email.join('/')} names`),
    ...plan.concurrency.map(({ name, key, max, release, leaseMs }) =>
      `concurrency ${name}: ${max} in flight by ${key.join('+')}, freed by ${release}, lease ${durationText(leaseMs)}`),
    'forward to the backend',
  ]
}

function limiterText (limiter: Limiter): string {
  const { name, max, windowMs, key, algorithm, violation, score, countStatus, observe } = limiter
  const counted = countStatus.length === 0 ? '' : `, counting answers with status ${countStatus.join(', ')}`
  const price = violation === undefined ? 'no violation' : `violation ${violation}, score ${score}`
  return `limiter ${name}: ${max} per ${durationText(windowMs)} by ${key.join('+')} (${algorithm})${counted}; ` +
    `${price}${observe ? '; observed only' : ''}`
}

function names (entries: readonly RouteEntry[]): string {
  return entries.length === 0 ? 'no entry' : entries.map(({ match }) => match).join(' and ')
}
