import type { Prompt, PromptRule, PromptScope } from '../prompt/contract.js'
import type { ResetRule } from '../suspensions/contract.js'

/** What happens to a message against which a check has something. */
export type ContentAction =
  /** Told, not punished. */
  | 'refuse'
  /** Refused, and the subject is silenced for a time that grows with each infraction. */
  | 'suspend'
  /** Refused, and a violation is booked, which may bring a ban. */
  | 'score'
  /** Forwarded, and noted in log and metrics. */
  | 'flag'

export type ContentKind = 'length' | 'keywords' | 'nonAlphanumeric' | 'pattern'

/** What a check has against a prompt. Never holds the prompt itself: prompts do not reach logs. */
export interface Finding {
  /** Which keyword or pattern of the policy (its text as written there), or the measured number. */
  readonly found: string
}

/** One compiled check of the policy. */
export interface ContentCheck {
  /** `<content name>.<kind>`, with a number behind it where one kind comes several times. */
  readonly name: string
  readonly kind: ContentKind
  readonly action: ContentAction
  /** Level at which a suspension begins at least; undefined: the subject's own. */
  readonly severity: number | undefined
  /** Text of the refusal, with `{minutes}` still in it; undefined: that of the rules. */
  readonly message: string | undefined
  /** Violation type and points of `score`. */
  readonly violation: string
  readonly score: number
  readonly find: FindInPrompt
}

/** What the factories in `checks/` make: pure, and linear in the length of the prompt. */
export type FindInPrompt = (prompt: InspectedPrompt) => Finding | undefined

/** A prompt as the checks see it: each reading is made when the first check asks for it. */
export interface InspectedPrompt {
  /** Every message in its parts, as the client sent them. */
  readonly messages: Prompt
  /** Every message as the client sent it, its parts on lines of their own. */
  readonly plain: readonly string[]
  /**
   * Every reading in which keywords are looked for: lower case, without accents, normalised, and decoded where it looks
   * encoded. `UNDECIDED` (`normalise/undecided.ts`) stands for a letter that may be `i` or `l`.
   */
  readonly readings: readonly string[]
  /** The same for patterns: with undecided letters spelled out both ways. */
  readonly spellings: readonly string[]
}

/** Steps of the normalisation that the policy left on. */
export interface Normalisation {
  /** Unicode NFKC. */
  readonly compatibility: boolean
  /** Zero-width, bidi and other invisible characters are dropped. */
  readonly invisible: boolean
  /** Letters that look alike are read as one (Unicode TR39 skeletons, within bounds). */
  readonly confusables: boolean
  /** `1337` as `leet`. */
  readonly leetspeak: boolean
  /** `D A N`, `d-a-n`, `d.a.n` as `dan`. */
  readonly spacedOut: boolean
  /** Segments in base64, hex, percent-encoding and rot13, one level. */
  readonly encoded: boolean
}

/** What is said there, and what is checked of it. */
export interface InspectionRule {
  readonly prompt: PromptRule
  readonly content: ContentRules
}

/** The compiled `content` rules of one name. */
export interface ContentRules {
  readonly name: string
  readonly scope: PromptScope
  readonly normalise: Normalisation
  /** In the order of the policy: the first that has something against a message decides; `flag` never does. */
  readonly checks: readonly ContentCheck[]
  /** Of the first, second, … infraction, milliseconds; the last stays. */
  readonly suspensionsMs: readonly number[]
  /** `clean-message` as the plugin does it: only a clean message after the quiet time resets. */
  readonly reset: ResetRule
  readonly messages: {
    /** Of a content suspension, with `{minutes}`. */
    readonly blocked: string
  }
  readonly observe: boolean
}
