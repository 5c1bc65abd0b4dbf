import type { AccountRule } from '../accounts/contract.js'
import type { Conditions, Holds } from '../conditions/contract.js'
import type { ContentRules } from '../content/contract.js'
import type { OnceRule } from '../deliveries/contract.js'
import type { DoormanRules, DoormanUse } from '../doorman/contract.js'
import type { ClientRules, IdentitySource, SubjectKind } from '../identity/contract.js'
import type { Limiter, OnFailure } from '../limits/contract.js'
import type { OutcomeRule } from '../outcomes/contract.js'
import type { PromptRule } from '../prompt/contract.js'
import type { TokenRule } from '../tokens/contract.js'

export type PolicyMode = 'enforce' | 'observe' | 'off'
export type DialectName =
  | 'librechat-json' | 'librechat-sse' | 'problem'
  /** Errors of the OpenAI API; an assistant's message instead of an error; errors of the Anthropic API. */
  | 'openai' | 'openai-message' | 'anthropic'
  /** The Cat's own chat reply: 1.x over HTTP and WebSocket; agents of 2.x, plain and as a stream. */
  | 'cheshire-cat' | 'cheshire-cat-agents'
  /** The answer of a Telegram bot's webhook, which may carry a call of the Bot API. */
  | 'telegram'

/** A rule for messages in flight, as the compiled policy holds it. */
export interface ConcurrencyRule {
  readonly name: string
  readonly key: readonly SubjectKind[]
  readonly max: number
  readonly leaseMs: number
  /** `response`: the slot is free when the answer ends; `stream`: when the generation ends, followed on other requests. */
  readonly release: 'response' | 'stream'
  readonly violation: string | undefined
  readonly score: number
  readonly observe: boolean
  readonly onFailure: OnFailure
  /** JSON pointers (parsed: `['activeJobIds']`) and paths of a backend that answers `{streamId}` at once. */
  readonly stream: {
    readonly id: readonly string[]
    readonly repeat: readonly string[] | undefined
    readonly aborted: readonly string[] | undefined
    readonly active: { readonly path: string, readonly list: readonly string[] } | undefined
  } | undefined
}

/** What an answer on this route may release. */
export interface ReleaseRule {
  readonly rule: ConcurrencyRule
  readonly on: 'stream' | 'abort'
  /** Path parameter that names the stream. */
  readonly param: string | undefined
}

/** How automatic bans come about. */
export interface BanPolicy {
  readonly enabled: boolean
  /** ≤ 0: no ban. */
  readonly durationMs: number
  readonly interval: number
  readonly scope: 'type' | 'total'
  /** null = scores never run out. */
  readonly scoreTtlMs: number | null
  readonly scoreAnonymous: boolean
  /** The bans that the backend keeps in its own database hold too. */
  readonly importFromBackend: boolean
  readonly address: { readonly enabled: boolean, readonly sharedBy: number, readonly withinMs: number }
}

/** Which requests cost something: those whose JSON body any of the conditions describes. */
export interface TriggerRule {
  readonly conditions: Conditions
  readonly holds: Holds
}

/** One entry of the policy's `routes`, compiled. */
export interface RouteEntry {
  /** Position in matching order: the policy file's entries, then the preset's. */
  readonly index: number
  /** As written: `POST /api/agents/chat/:endpoint`. */
  readonly match: string
  readonly methods: readonly string[] | '*'
  readonly path: string
  /** Parameter values that exclude a request from this entry. */
  readonly unless: ReadonlyMap<string, ReadonlySet<string>>
  readonly authRequired: boolean
  /** Credentials that count on this route alone. */
  readonly identity: readonly IdentitySource[]
  readonly browserOnly: 'ua' | 'strict' | 'off'
  readonly limiters: readonly Limiter[]
  /** How limiters read bodies and answers; undefined: none of them counts tokens, or by the model. */
  readonly tokens: TokenRule | undefined
  /** How soon after the last counted one another GET of the same address and path is not counted; 0: every one is. */
  readonly forgiveMs: number
  /** Violations that only the backend's answer shows. */
  readonly outcomes: readonly OutcomeRule[]
  readonly concurrency: ConcurrencyRule | undefined
  readonly releases: ReleaseRule | undefined
  /** A sign-in that names an account by its e-mail. */
  readonly account: AccountRule | undefined
  readonly login: boolean
  /** Where the body, or each frame, says what the person says; undefined: nothing here is a prompt. */
  readonly prompt: PromptRule | undefined
  /** Checks of what is said; only where there is a prompt. */
  readonly content: ContentRules | undefined
  /** What the doorman is asked; only where there is a prompt. */
  readonly doorman: DoormanUse | undefined
  /** Undefined: every request is a trigger. */
  readonly when: TriggerRule | undefined
  /** Undefined: what comes again is forwarded again. */
  readonly once: OnceRule | undefined
  /** Each text frame of the client's on this route's WebSocket is a message: limited and checked by itself. */
  readonly inspectsFrames: boolean
  readonly reply: DialectName
  readonly mode: PolicyMode | undefined
}

/** Who is always refused, never punished, or solely let in. */
export interface AccessRules {
  readonly denyUsers: ReadonlySet<string>
  /** CIDRs and addresses. */
  readonly denyAddresses: readonly string[]
  /** Ids or e-mails (lower case). */
  readonly exemptUsers: ReadonlySet<string>
  readonly exemptAddresses: readonly string[]
  readonly exemptSkipsLimits: boolean
  /** Case-insensitive parts of a User-Agent that pass the non-browser check. */
  readonly exemptUserAgents: readonly string[]
  /** Both empty: no allowlist, unless it is required. `*`: everybody. */
  readonly allowUsers: ReadonlySet<string>
  readonly allowGroups: ReadonlySet<string>
  /** Empty lists let nobody in. */
  readonly allowRequired: boolean
  /** What is told who is on neither list, once in so long in each chat; undefined: each time, in our own words. */
  readonly allowNotice: NoticeRule | undefined
}

export interface NoticeRule {
  readonly message: string
  readonly everyMs: number
  /** Where the body names the chat that would read it, the first that does; else the group is the chat, or the user. */
  readonly chat: readonly (readonly string[])[]
}

export interface UpstreamRules {
  readonly url: string
  readonly host: 'preserve' | 'upstream'
  readonly forwarder: 'dispatch' | 'http-proxy'
  readonly connectTimeoutMs: number
  /** 0 = no limit. */
  readonly responseTimeoutMs: number
  readonly idleTimeoutMs: number
  /** Certificates of additional authorities, PEM. */
  readonly ca: string | undefined
  readonly verify: boolean
}

export interface MatchResult {
  readonly entries: readonly RouteEntry[]
  readonly params: Readonly<Record<string, string | undefined>>
}

/** The rules in force, compiled. Frozen; a reload makes a new one and swaps the reference. */
export interface Policy {
  readonly preset: string
  readonly mode: PolicyMode
  readonly upstream: UpstreamRules
  readonly client: ClientRules & { readonly methodOverride: 'drop' | 'pass' }
  readonly identity: readonly IdentitySource[]
  readonly access: AccessRules
  readonly bans: BanPolicy
  readonly limiters: ReadonlyMap<string, Limiter>
  readonly outcomes: ReadonlyMap<string, OutcomeRule>
  readonly concurrency: ReadonlyMap<string, ConcurrencyRule>
  /** Those that are switched on. */
  readonly content: ReadonlyMap<string, ContentRules>
  /** Undefined: he is off. */
  readonly doorman: DoormanRules | undefined
  readonly browser: { readonly violation: string, readonly score: number }
  readonly routes: readonly RouteEntry[]
  readonly defaultReply: DialectName
  /** Origin that refused sign-in navigations are sent back to; empty: our own. */
  readonly loginUrl: string
  readonly maxInspectedBody: number
  readonly shutdownGraceMs: number
  readonly retentionMs: number
}
