import Table from 'cli-table3'
import type { Command } from 'commander'
import type { Limiter } from '../limits/contract.js'
import type { ConcurrencyRule, Policy, RouteEntry } from '../policy/contract.js'
import { loadPolicy } from '../policy/load-policy.js'
import { durationText } from './duration-text.js'
import type { Terminal } from './terminal.js'

/** `portcullis check [FILE]` */
export function addCheck (program: Command, terminal: Terminal): void {
  program.command('check')
    .description('validate policy, environment and chat.yaml; print the effective routes and limiters')
    .argument('[file]', 'policy file (PORTCULLIS_POLICY, else config/portcullis.yaml when present)')
    .action(async (file: string | undefined) => {
      const { env, cwd, stdout } = terminal
      const { policy, warnings } = await loadPolicy({ env, cwd, ...(file === undefined ? {} : { policyFile: file }) })
      stdout.write(describePolicy(policy))
      for (const warning of warnings) stdout.write(`warning: ${warning}\n`)
      stdout.write('The configuration is valid.\n')
    })
}

function describePolicy (policy: Policy): string {
  const { bans } = policy
  const ban = bans.enabled && bans.durationMs > 0
    ? `every ${bans.interval} points (${bans.scope}), for ${durationText(bans.durationMs)}`
    : 'off'
  const ttl = bans.scoreTtlMs === null ? 'scores never run out' : `scores run out after ${durationText(bans.scoreTtlMs)}`
  return [
    `preset ${policy.preset}, mode ${policy.mode}, upstream ${policy.upstream.url || 'none (the demo backend)'}`,
    `bans: ${ban}; ${ttl}`,
    '',
    limiterTable([...policy.limiters.values()]),
    concurrencyTable([...policy.concurrency.values()]),
    routeTable(policy.routes),
    '',
  ].filter((part) => part !== undefined).join('\n')
}

function limiterTable (limiters: readonly Limiter[]): string | undefined {
  if (limiters.length === 0) return 'no limiters'
  return tableOf(['limiter', 'key', 'max', 'window', 'algorithm', 'violation', 'score'], limiters.map((one) => [
    one.name, one.key.join('+'), String(one.max), durationText(one.windowMs), one.algorithm + (one.observe ? ' (observe)' : ''),
    one.violation ?? '–', one.violation === undefined ? '–' : String(one.score),
  ]))
}

function concurrencyTable (rules: readonly ConcurrencyRule[]): string | undefined {
  if (rules.length === 0) return undefined
  return tableOf(['concurrency', 'key', 'max', 'lease', 'release', 'violation', 'score'], rules.map((one) => [
    one.name, one.key.join('+'), String(one.max), durationText(one.leaseMs), one.release, one.violation ?? '–', String(one.score),
  ]))
}

function routeTable (routes: readonly RouteEntry[]): string {
  if (routes.length === 0) return 'no routes: everything is forwarded after the ban check'
  return tableOf(['route', 'unless', 'checks', 'reply'], routes.map((one) => [
    one.match,
    [...one.unless].map(([name, values]) => `${name}: ${[...values].join(', ')}`).join('; '),
    [
      ...one.browserOnly === 'off' ? [] : [`browser (${one.browserOnly})`],
      ...one.limiters.map(({ name }) => name),
      ...one.concurrency === undefined ? [] : [`concurrency ${one.concurrency.name}`],
    ].join(', '),
    one.reply,
  ]))
}

function tableOf (head: string[], rows: string[][]): string {
  const table = new Table({ head, style: { head: [], border: [] } })
  table.push(...rows)
  return table.toString()
}
