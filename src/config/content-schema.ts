/** The policy file's part on what is said: content rules, where prompts stand, and the Cheshire Cat plugin's own block. */
import Type, { type Static } from 'typebox'
import { Mode, oneOf, OneOrMany, Strict } from './choices.js'
import { Count, Duration, List, Number_, Pattern, Switch, Text } from './kinds.js'

const ContentCheckEntry = Type.Object({
  kind: oneOf('length', 'keywords', 'nonAlphanumeric', 'pattern'),
  enabled: Type.Optional(Switch()),
  action: Type.Optional(oneOf('refuse', 'suspend', 'score', 'flag')),
  max: Type.Optional(Count({ description: 'Of length: characters that pass; 0 = off' })),
  list: Type.Optional(List({ description: 'Of keywords: words and phrases' })),
  match: Type.Optional(oneOf('word', 'substring')),
  above: Type.Optional(Number_({ maximum: 1, description: 'Of nonAlphanumeric: the share that still passes; 0 = off' })),
  plain: Type.Optional(Switch({ description: 'Of nonAlphanumeric: the bare ratio, code, blanks and marks included' })),
  pattern: Type.Optional(Pattern()),
  patterns: Type.Optional(Type.Array(Pattern())),
  severity: Type.Optional(Count({ maximum: 100, description: 'Of suspend: the level, from 0, at which it begins at least' })),
  message: Type.Optional(Text({ description: 'Of suspend with {minutes}' })),
  violation: Type.Optional(Text({ description: 'Of score' })),
  score: Type.Optional(Number_({ description: 'Of score: points' })),
  mode: Type.Optional(Mode),
}, Strict)

export const ContentEntry = Type.Object({
  enabled: Type.Optional(Switch()),
  mode: Type.Optional(Mode),
  scope: Type.Optional(oneOf('last', 'history', 'all')),
  normalise: Type.Optional(Type.Object({
    compatibility: Type.Optional(Switch({ description: 'Unicode NFKC' })),
    invisible: Type.Optional(Switch({ description: 'Zero-width and other invisible characters are dropped' })),
    confusables: Type.Optional(Switch({ description: 'Letters that look alike are read as one' })),
    leetspeak: Type.Optional(Switch({ description: '1337 as leet' })),
    spacedOut: Type.Optional(Switch({ description: 'D A N as DAN' })),
    encoded: Type.Optional(Switch({ description: 'base64, hex, percent-encoding and rot13 are decoded once' })),
  }, Strict)),
  checks: Type.Optional(Type.Array(ContentCheckEntry)),
  suspensions: Type.Optional(Type.Array(Duration({ minimum: 1 }), {
    description: 'Of the first, second, … infraction; the last stays',
  })),
  resetAfter: Type.Optional(Duration({ minimum: 0, description: 'Quiet time after which the level is 0 again' })),
  resetOn: Type.Optional(oneOf('quiet', 'clean-message')),
  messages: Type.Optional(Type.Object({
    blocked: Type.Optional(Text({ description: 'Of a suspension for content, with {minutes}' })),
    limited: Type.Optional(Text({ description: 'Of a suspension for too many messages, with {minutes}' })),
  }, Strict)),
}, Strict)

/** Of a route. */
export const PromptPart = Type.Object({
  text: Type.Optional(List({ description: 'JSON pointers to what is always said now; * = every element' })),
  conversation: Type.Optional(OneOrMany(Type.Object({
    list: Text({ description: 'JSON pointer to the list of messages, the oldest first' }),
    role: Text({ description: 'JSON pointer within a message: who says it' }),
    user: Type.Optional(List({ description: 'Roles of the person' })),
    text: List({ description: 'JSON pointers within a message: what is said' }),
  }, Strict))),
  quotes: Type.Optional(List({ description: 'JSON pointers to what the newest message points at: quoted, replied to, forwarded' })),
  rest: Type.Optional(List({ description: 'JSON pointers to instructions; only the scope all looks at them' })),
  fields: Type.Optional(List({ description: 'Names of fields of a form' })),
}, Strict)

/** Of a limiter. */
export const OnExceed = Type.Object({
  suspend: Type.Optional(Duration({ minimum: 1, description: 'A refusal silences the subject for so long' })),
  drop: Type.Optional(oneOf('silent')),
  warnEvery: Type.Optional(Duration({ minimum: 0, description: 'Of drop: one refusal in so long is told; 0 = none' })),
  message: Type.Optional(Text({ description: 'With {minutes}: time left, rounded up' })),
}, Strict)

const days = { maximum: 5_256_000 } as const

/** The settings of the plugin that preset cheshire-cat replaces, under its own names; times in minutes. */
export const CheshireCatPart = Type.Object({
  enable_rate_limit: Type.Optional(Switch({ description: 'Enable Prompt Guard' })),
  rate_limit_max_messages: Type.Optional(Count({ description: 'Maximum Messages' })),
  rate_limit_window_minutes: Type.Optional(Count({ minimum: 1, ...days, description: 'Time Window (minutes)' })),
  rate_limit_suspension_minutes: Type.Optional(Count({ minimum: 1, ...days, description: 'Suspension for Rate Limit (minutes)' })),
  max_prompt_length: Type.Optional(Count({ description: 'Maximum Prompt Length (characters), 0 = off' })),
  jailbreak_keywords: Type.Optional(List({ description: 'Jailbreak Detection Keywords' })),
  non_alphanumeric_threshold: Type.Optional(Number_({ maximum: 1, description: 'Non-Alphanumeric Character Threshold, 0 = off' })),
  content_infraction_suspensions_minutes: Type.Optional(Type.Array(Count({ minimum: 1, ...days }), {
    description: 'Progressive Suspension for Content Infractions (minutes)',
  })),
  jailbreak_severity_level: Type.Optional(Count({ maximum: 100, description: 'Jailbreak Infraction Severity Level (0-indexed)' })),
  infraction_reset_minutes: Type.Optional(Count({ ...days, description: 'Content Infraction Reset (minutes)' })),
  user_blocked_message: Type.Optional(Text({ description: 'User Blocked Message' })),
  user_limited_message: Type.Optional(Text({ description: 'User Limited Message' })),
}, Strict)

export type ContentDocument = Static<typeof ContentEntry>
export type ContentCheckDocument = Static<typeof ContentCheckEntry>
export type PromptDocument = Static<typeof PromptPart>
export type CheshireCatDocument = Static<typeof CheshireCatPart>
