import type { PolicyDocument } from '../config/schema.js'
import { expandCheshireCat } from './cheshire-cat.js'
import { compileAccess } from './compile-access.js'
import { compileConcurrency } from './compile-concurrency.js'
import { compileContent } from './compile-content.js'
import { compileDoorman, idleDoorman } from './compile-doorman.js'
import { compileIdentity } from './compile-identity.js'
import { compileLimiters } from './compile-limiters.js'
import { compileOutcomes } from './compile-outcomes.js'
import { compileRoutes } from './compile-routes.js'
import { compileTokens } from './compile-tokens.js'
import type { BanPolicy, Policy } from './contract.js'
import { checkNetworks } from './networks.js'
import type { UnsetAt } from './unwritten.js'

/** Where in the policy document something stands: `['limiters', 'loginIp', 'max']`. */
export type DocumentPath = readonly (string | number)[]

/** Takes one mistake; compilation goes on, so that all of them are told at once. */
export type Report = (path: DocumentPath, found: string, expected: string, candidates?: readonly string[]) => void

export interface CompileResult {
  readonly policy: Policy
  /** Sentences on what is configured but will not work, for the start's log. */
  readonly warnings: readonly string[]
}

/**
 * Makes the runnable policy of a merged, decoded document. Mistakes that only the whole shows (a route names
 * a limiter that is not there) are reported; the result must not be used when there were any.
 */
export function compilePolicy (
  written: PolicyDocument, reportWritten: Report, unsetAt: UnsetAt = () => undefined
): CompileResult {
  const warnings: string[] = []
  const { document, report } = expandCheshireCat(written, reportWritten)
  const findings = { report, warnings, unsetAt }
  const identity = compileIdentity(document.identity, { path: ['identity'], ...findings })
  const { tokens, ...rules } = compileRules(document, report)
  const routes = compileRoutes(document, { ...rules, ...findings, tokens })
  if (identity.length === 0) warnings.push(...idleLimits(rules))
  warnings.push(...idleDoorman(document))
  const policy: Policy = {
    ...compileSettings(document),
    ...rules,
    identity,
    routes,
    upstream: compileUpstream(document, report),
    client: compileClient(document, report),
    access: compileAccess(document, findings),
    bans: compileBans(document),
  }
  return { policy: Object.freeze(policy), warnings }
}

function compileRules (document: PolicyDocument, report: Report) {
  return {
    limiters: compileLimiters(document, report),
    concurrency: compileConcurrency(document, report),
    outcomes: compileOutcomes(document, report),
    content: compileContent(document, report),
    doorman: compileDoorman(document, report),
    tokens: compileTokens(document, report),
  }
}

function idleLimits ({ limiters, concurrency }: Pick<Policy, 'limiters' | 'concurrency'>): string[] {
  const users = [...limiters.values()].filter(({ key, anonymous }) => key.includes('user') && anonymous === 'skip')
  if (users.length + concurrency.size === 0) return []
  return [`no identity source is active: ${users.length + concurrency.size} user limits do nothing, ` +
    'set the secrets that its sources name (JWT_SECRET, JWT_REFRESH_SECRET, …) to the values of the chat app']
}

type Settings = Pick<Policy,
  'preset' | 'mode' | 'browser' | 'defaultReply' | 'loginUrl' | 'maxInspectedBody' | 'shutdownGraceMs' | 'retentionMs'>

function compileSettings ({ preset, mode, browser, violations, ...document }: PolicyDocument): Settings {
  return {
    preset: preset ?? 'librechat',
    mode: mode ?? 'enforce',
    browser: {
      violation: browser?.violation ?? 'non_browser',
      score: browser?.score ?? violations?.['non_browser']?.score ?? 20,
    },
    defaultReply: document.reply ?? 'problem',
    loginUrl: document.oauthRedirect ?? '',
    maxInspectedBody: document.limits?.maxInspectedBody ?? 3 * 1024 * 1024,
    shutdownGraceMs: document.limits?.shutdownGrace ?? 30_000,
    retentionMs: document.logs?.retention ?? 90 * 86_400_000,
  }
}

function compileUpstream ({ upstream = {} }: PolicyDocument, report: Report): Policy['upstream'] {
  const url = upstream.url ?? ''
  const known = url.startsWith('unix:/') || isHttpUrl(url)
  if (url !== '' && !known) report(['upstream', 'url'], JSON.stringify(url), 'http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH')
  return {
    url,
    host: upstream.host ?? 'preserve',
    forwarder: upstream.forwarder ?? 'dispatch',
    connectTimeoutMs: upstream.connectTimeout ?? 5000,
    responseTimeoutMs: upstream.responseTimeout ?? 0,
    idleTimeoutMs: upstream.idleTimeout ?? 0,
    ca: upstream.tls?.ca,
    verify: upstream.tls?.verify ?? true,
  }
}

function isHttpUrl (text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, search, hash } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && username === '' && search === '' && hash === ''
}

function compileClient ({ client = {} }: PolicyDocument, report: Report): Policy['client'] {
  const trusted = client.trustedProxies ?? []
  const hops = trusted.length === 1 && /^\d+$/.test(trusted[0] ?? '') ? Number(trusted[0]) : undefined
  if (hops === undefined) checkNetworks(trusted, ['client', 'trustedProxies'], report)
  return {
    trustedProxies: hops ?? trusted,
    addressHeader: client.addressHeader ?? 'x-forwarded-for',
    ipv6Prefix: client.ipv6Prefix ?? 64,
    methodOverride: client.methodOverride ?? 'drop',
  }
}

function compileBans ({ bans = {} }: PolicyDocument): BanPolicy {
  const ttl = bans.scoreTtl ?? 3_600_000
  return {
    enabled: bans.enabled ?? true,
    durationMs: bans.duration ?? 7_200_000,
    interval: bans.interval ?? 20,
    scope: bans.scope ?? 'type',
    scoreTtlMs: ttl > 0 ? ttl : null,
    scoreAnonymous: bans.scoreAnonymous ?? true,
    importFromBackend: bans.importFromBackend ?? false,
    address: {
      enabled: bans.address?.enabled ?? true,
      sharedBy: bans.address?.sharedBy ?? 5,
      withinMs: bans.address?.within ?? 3_600_000,
    },
  }
}
