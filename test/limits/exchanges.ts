import { EventEmitter } from 'node:events'
import type { Exchange } from '../../src/exchange.js'
import type { Identity } from '../../src/identity/contract.js'
import type { BanPolicy, Policy } from '../../src/policy/contract.js'
import type { Plan } from '../../src/policy/plan-contract.js'
import { NO_PARTS } from '../../src/policy/plan.js'

export const NOW = Date.parse('2026-11-21T12:00:00Z')

export const BANS: BanPolicy = {
  enabled: true,
  durationMs: 7_200_000,
  interval: 20,
  scope: 'type',
  scoreTtlMs: 3_600_000,
  scoreAnonymous: true,
  importFromBackend: false,
  address: { enabled: true, sharedBy: 5, withinMs: 3_600_000 },
}

const POLICY: Policy = {
  preset: 'librechat',
  mode: 'enforce',
  upstream: {
    url: 'http://127.0.0.1:1',
    host: 'preserve',
    forwarder: 'dispatch',
    connectTimeoutMs: 5000,
    responseTimeoutMs: 0,
    idleTimeoutMs: 0,
    ca: undefined,
    verify: true,
  },
  client: { trustedProxies: [], addressHeader: 'x-forwarded-for', ipv6Prefix: 64, methodOverride: 'drop' },
  identity: [],
  access: {
    denyUsers: new Set(),
    denyAddresses: [],
    exemptUsers: new Set(),
    exemptAddresses: [],
    exemptSkipsLimits: false,
    exemptUserAgents: [],
    allowUsers: new Set(),
    allowGroups: new Set(),
    allowRequired: false,
    allowNotice: undefined,
  },
  bans: BANS,
  limiters: new Map(),
  outcomes: new Map(),
  concurrency: new Map(),
  content: new Map(),
  doorman: undefined,
  browser: { violation: 'non_browser', score: 20 },
  routes: [],
  defaultReply: 'librechat-json',
  loginUrl: '',
  maxInspectedBody: 3_145_728,
  shutdownGraceMs: 30_000,
  retentionMs: 90 * 86_400_000,
}

const PLAN: Plan = {
  entries: [],
  mode: 'enforce',
  authRequired: false,
  browser: undefined,
  limiters: [],
  tokens: [],
  forgiveMs: 0,
  outcomes: [],
  concurrency: [],
  releases: [],
  accounts: [],
  once: undefined,
  when: undefined,
  inspections: [],
  doorman: [],
  frames: undefined,
  identity: [],
  ...NO_PARTS,
  dialectOf: () => 'librechat-json',
  login: false,
  label: 'POST /api/agents/chat/:endpoint',
}

export interface ExchangePart {
  readonly user?: string
  readonly group?: string
  readonly address?: string
  readonly headers?: Exchange['headers']
  readonly exempt?: boolean
  readonly skipLimits?: boolean
  readonly bans?: Partial<BanPolicy>
  readonly plan?: Partial<Plan>
  readonly target?: string
}

/** A request as the gateway would hand it to the rooms. */
export function exchangeOf (part: ExchangePart = {}): Exchange {
  const [path = '/', query = ''] = (part.target ?? '/api/agents/chat/openAI').split('?')
  return {
    id: 'request-1',
    receivedAt: NOW,
    method: 'POST',
    target: { raw: part.target ?? path, path, query, authority: undefined },
    headers: part.headers ?? {},
    rawHeaders: [],
    upgrade: false,
    connection: Object.assign(new EventEmitter(), { destroyed: false }),
    policy: {
      ...POLICY,
      bans: { ...BANS, ...part.bans },
      access: { ...POLICY.access, exemptSkipsLimits: part.skipLimits ?? false },
    },
    plan: { ...PLAN, ...part.plan },
    identity: identityOf(part),
    exempt: part.exempt ?? false,
    params: {},
    body: undefined,
    json: undefined,
    form: undefined,
    fields: undefined,
    model: '',
    decision: undefined,
    observed: [],
    isTrigger: true,
    change: undefined,
  }
}

function identityOf ({ user, group, address = '203.0.113.9' }: ExchangePart): Identity {
  const verified = user === undefined ? undefined : { id: user }
  return {
    client: { address, subject: `ip:${address}`, bannable: true, fromTrustedProxy: false, proto: 'http', host: 'chat.example' },
    user: verified,
    users: verified === undefined ? [] : [verified],
    group,
  }
}
