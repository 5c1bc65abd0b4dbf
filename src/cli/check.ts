import Table from 'cli-table3'
import type { Command } from 'commander'
import type { ContentRules } from '../content/contract.js'
import type { Limiter, OnFailure } from '../limits/contract.js'
import type { OutcomeRule } from '../outcomes/contract.js'
import type { ConcurrencyRule, RouteEntry } from '../policy/contract.js'
import { loadPolicy, type LoadedPolicy } from '../policy/load-policy.js'
import { allowText, conditionLines, onceText } from './condition-text.js'
import { doormanText, doormanUseText } from './doorman-text.js'
import { durationText } from './duration-text.js'
import { actionText, countedText, maxText, promptText, refusalText, signText, suspensionsText } from './rule-text.js'
import { describeStore } from './store-text.js'
import type { Terminal } from './terminal.js'

/** `portcullis check [FILE]` */
export function addCheck (program: Command, terminal: Terminal): void {
  program.command('check')
    .description('validate policy, environment and chat.yaml; print the effective routes and limiters')
    .argument('[file]', 'policy file (PORTCULLIS_POLICY, else config/portcullis.yaml when present)')
    .action(async (file: string | undefined) => {
      const { env, cwd, stdout } = terminal
      const loaded = await loadPolicy({ env, cwd, ...(file === undefined ? {} : { policyFile: file }) })
      stdout.write(describePolicy(loaded))
      for (const warning of loaded.warnings) stdout.write(`warning: ${warning}\n`)
      stdout.write('The configuration is valid.\n')
    })
}

function describePolicy ({ config, policy }: LoadedPolicy): string {
  const { bans } = policy
  const { store } = config.settings
  const onFailure = config.document.store?.onFailure ?? 'local'
  // Without Redis there is nothing that could be away.
  const usual = store.redis === undefined ? undefined : onFailure
  const ban = bans.enabled && bans.durationMs > 0
    ? `every ${bans.interval} points (${bans.scope}), for ${durationText(bans.durationMs)}`
    : 'off'
  const ttl = bans.scoreTtlMs === null ? 'scores never run out' : `scores run out after ${durationText(bans.scoreTtlMs)}`
  const allowed = allowText(policy.access)
  return [
    `preset ${policy.preset}, mode ${policy.mode}, upstream ${policy.upstream.url || 'none (the demo backend)'}`,
    describeStore(store, onFailure),
    `bans: ${ban}; ${ttl}`,
    ...allowed === undefined ? [] : [`allowed: ${allowed}`],
    ...policy.doorman === undefined ? [] : [`doorman: ${doormanText(policy.doorman)}`],
    '',
    limiterTable([...policy.limiters.values()], usual),
    contentTable([...policy.content.values()]),
    concurrencyTable([...policy.concurrency.values()], usual),
    outcomeTable([...policy.outcomes.values()]),
    routeTable(policy.routes),
    '',
  ].filter((part) => part !== undefined).join('\n')
}

function limiterTable (limiters: readonly Limiter[], usual: OnFailure | undefined): string | undefined {
  if (limiters.length === 0) return 'no limiters'
  const failure = failureColumn(limiters, usual)
  const head = ['limiter', 'key', 'max', 'window', 'algorithm', 'violation', 'score', 'counts', 'refusal', ...failure.head]
  return tableOf(head, limiters.map((one) => [
    one.name, one.key.join('+'), maxText(one), durationText(one.windowMs), one.algorithm + (one.observe ? ' (observe)' : ''),
    one.violation ?? '–', one.violation === undefined ? '–' : String(one.score), countedText(one), refusalText(one),
    ...failure.cell(one),
  ]))
}

function contentTable (rules: readonly ContentRules[]): string | undefined {
  const checks = rules.flatMap((one) => one.checks.map((check) => [
    check.name, one.scope + (one.observe ? ' (observe)' : ''), actionText(check),
    check.action === 'suspend' ? suspensionsText(one) : '–',
  ]))
  return checks.length === 0 ? undefined : tableOf(['content', 'scope', 'what it does', 'suspensions'], checks)
}

function outcomeTable (rules: readonly OutcomeRule[]): string | undefined {
  if (rules.length === 0) return undefined
  return tableOf(['outcome', 'when the answer has', 'violation', 'score'], rules.map((one) => [
    one.name, signText(one.when), one.violation + (one.observe ? ' (observe)' : ''), String(one.score),
  ]))
}

function concurrencyTable (rules: readonly ConcurrencyRule[], usual: OnFailure | undefined): string | undefined {
  if (rules.length === 0) return undefined
  const failure = failureColumn(rules, usual)
  const head = ['concurrency', 'key', 'max', 'lease', 'release', 'violation', 'score', ...failure.head]
  return tableOf(head, rules.map((one) => [
    one.name, one.key.join('+'), String(one.max), durationText(one.leaseMs), one.release,
    one.violation ?? '–', String(one.score), ...failure.cell(one),
  ]))
}

/** What rules do without Redis, where one of them does not do what the store says for all. */
function failureColumn (rules: readonly { readonly onFailure: OnFailure }[], usual: OnFailure | undefined) {
  const isShown = usual !== undefined && rules.some(({ onFailure }) => onFailure !== usual)
  return {
    head: isShown ? ['on failure'] : [],
    cell: ({ onFailure }: { readonly onFailure: OnFailure }) => isShown ? [onFailure] : [],
  }
}

function routeTable (routes: readonly RouteEntry[]): string {
  if (routes.length === 0) return 'no routes: everything is forwarded after the ban check'
  return tableOf(['route', 'unless', 'checks', 'reply'], routes.map((one) => [
    one.match,
    [...one.unless].map(([name, values]) => `${name}: ${[...values].join(', ')}`).join('; '),
    [
      ...one.browserOnly === 'off' ? [] : [`browser (${one.browserOnly})`],
      ...one.limiters.map(({ name }) => name),
      ...one.tokens === undefined ? [] : [`tokens and model as ${one.tokens.places.name}`],
      ...one.forgiveMs === 0 ? [] : [`forgives one repeated GET within ${durationText(one.forgiveMs)}`],
      ...one.content === undefined || one.prompt === undefined
        ? []
        : [`content ${one.content.name} (${promptText(one.prompt)})`],
      ...one.doorman === undefined ? [] : [`doorman (${doormanUseText(one.doorman)})`],
      ...one.inspectsFrames ? ['each frame by itself'] : [],
      ...one.concurrency === undefined ? [] : [`concurrency ${one.concurrency.name}`],
      ...one.outcomes.map(({ name }) => `outcome ${name}`),
      ...one.account === undefined ? [] : ['banned accounts by e-mail'],
      ...one.identity.length === 0 ? [] : ['credentials of its own'],
    ].join(', ') + deliveryText(one),
    one.reply,
  ]))
}

/** Lines of their own, since there may be many. */
function deliveryText ({ when, once }: RouteEntry): string {
  const lines = when === undefined ? [] : conditionLines(when.conditions)
  if (once !== undefined) lines.push(onceText(once))
  return lines.map((line) => `\n${line}`).join('')
}

function tableOf (head: string[], rows: string[][]): string {
  const table = new Table({ head, style: { head: [], border: [] } })
  table.push(...rows)
  return table.toString()
}
