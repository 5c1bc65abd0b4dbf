/** The doorman: an LLM that says what sort of message this is, and what the policy does about each sort. */
import type { PromptRule, PromptScope } from '../prompt/contract.js'
import type { Edit } from '../rewriting/contract.js'
import type { ResetRule } from '../suspensions/contract.js'

/** Outcomes of the doorman's own, beside the labels. */
export const UNSURE = 'unsure'
export const FAILED = 'failed'

export type DoormanAction =
  /** Forwarded. */
  | 'pass'
  /** Forwarded, and noted in log and metrics. */
  | 'mark'
  /** Forwarded with another text in its place. */
  | 'rewrite'
  /** Told, not punished. */
  | 'refuse'
  /** Refused, and the subject is silenced for a time that grows with each infraction. */
  | 'suspend'
  /** Refused, and a violation is booked, which may bring a ban. */
  | 'score'

/** What is done about one outcome: a label, `unsure` or `failed`. */
export interface CategoryRule {
  readonly name: string
  /** As verdicts, log and journal call it: `doorman.JAILBREAK`. */
  readonly rule: string
  readonly action: DoormanAction
  /** Text of the refusal (of `suspend` with `{minutes}` still in it); undefined: the usual one. */
  readonly message: string | undefined
  /** Level at which a suspension begins at least; undefined: the subject's own. */
  readonly severity: number | undefined
  /** Violation type and points of `score`. */
  readonly violation: string
  readonly score: number
  /** How the body is patched, whether the text is replaced or not. */
  readonly edits: readonly Edit[]
  /** The backend is told this outcome in a header. */
  readonly isTold: boolean
}

/** An OpenAI-compatible server. */
export interface DoormanEndpoint {
  /** With or without `/v1`, with or without a slash at the end. */
  readonly url: string
  readonly apiKey: string | undefined
  /** Undefined: none is named, for servers that have one alone. */
  readonly model: string | undefined
}

/** The policy's `doorman`, compiled. */
export interface DoormanRules {
  readonly endpoint: DoormanEndpoint
  /** What the classifier may answer, and what each means. */
  readonly labels: ReadonlyMap<string, string>
  /** One for each label, `unsure` and `failed`. */
  readonly categories: ReadonlyMap<string, CategoryRule>
  /** The operator's own words on what matters; empty: none. */
  readonly instructions: string
  readonly rewrite: RewriteRule
  /** Header field that tells the backend the outcome, lower case; undefined: none does. */
  readonly header: string | undefined
  /** Messages before this one that the classifier is shown; 0: none. */
  readonly context: number
  readonly rememberMs: number
  /**
   * UTF-16 units of the message that the classifier is shown, and again of what it points at; of longer ones their
   * beginning and their end.
   */
  readonly maxLength: number
  /** For everything: the queue, the question, its repetitions. */
  readonly deadlineMs: number
  /** Repetitions of a question that a server could not answer. */
  readonly retries: number
  /** Questions under way at once, of this process. */
  readonly concurrency: number
  /** 0: answers are not kept. */
  readonly cacheMs: number
  readonly budget: BudgetRule
  readonly suspensionsMs: readonly number[]
  readonly reset: ResetRule
  /** Changes whenever the same message could be judged otherwise. */
  readonly fingerprint: string
  readonly observe: boolean
}

export interface RewriteRule {
  /** With `{alarm}` and `{truncated}` still in it. */
  readonly template: string
  readonly alarm: string
  /** Characters, as people count them (graphemes), of the original that `{truncated}` keeps. */
  readonly truncate: number
  /** Which copies of the prompt are replaced too. */
  readonly scope: PromptScope
  /** How long it stays replaced where it comes back as history, from the last time that it did. 0: not at all. */
  readonly rememberMs: number
  /** Changes whenever the same text could be replaced otherwise, or not at all. */
  readonly fingerprint: string
}

/** Of all instances together, a day. Undefined: no limit. */
export interface BudgetRule {
  readonly requests: number | undefined
  /** As the server reports them. */
  readonly tokens: number | undefined
}

/** What a route asks the doorman. */
export interface DoormanUse {
  readonly rules: DoormanRules
  readonly prompt: PromptRule
  /** JSON pointers to what names the conversation, the first that leads to something; empty: the subject is it. */
  readonly conversation: readonly (readonly string[])[]
  readonly observe: boolean
}

/** One message of a conversation, as the classifier is shown it. */
export interface Turn {
  readonly from: 'person' | 'assistant'
  readonly text: string
}

/** What is judged. */
export interface JudgedMessage {
  readonly text: string
  /** What it points at: judged as one with it. */
  readonly quoted: readonly string[]
  /** What was said before, the oldest first. */
  readonly context: readonly Turn[]
}

/** Whoever waits for a judgement. */
export interface Asker {
  /** His leaving, which ends the question; absent: he stays. */
  readonly gone?: AbortSignal
  /** Nobody fills the line alone; absent: nobody in particular. */
  readonly subject?: string
}

export type FailureReason =
  /** No answer in time. */
  | 'deadline'
  /** Too many wait already. */
  | 'busy'
  /** The day's calls or tokens are spent. */
  | 'budget'
  /** It failed again and again, and is left alone for a while. */
  | 'away'
  | 'unreachable' | 'cut'
  /** 5xx, 429, a status that says nothing of the message. */
  | 'server' | 'overloaded' | 'refused'
  /** The client left. */
  | 'gone'

export type Classification =
  | { readonly kind: 'category', readonly name: string }
  | { readonly kind: 'unsure' }
  | { readonly kind: 'failed', readonly reason: FailureReason }

/** The numbers that the doorman tells. Labels come from the policy or from here. */
export interface DoormanMeters {
  /** A message was judged, from the cache or not. */
  outcome (outcome: { readonly category: string, readonly reason: string, readonly mode: 'enforce' | 'observe' }): void
  /** How long a message waited for an answer that no cache had. */
  waited (durationMs: number): void
  /** One call: `answer`, or its fault. */
  call (result: string): void
  cacheHit (): void
  tokens (count: number): void
  budgetLeft (of: 'requests' | 'tokens', left: number): void
  away (isAway: boolean): void
}
