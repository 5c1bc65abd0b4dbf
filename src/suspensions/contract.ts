/** Silence on chat routes: for a fixed time after too many messages, for a growing one after what was said. */

export type SuspensionReason = 'content' | 'rate'

/** A suspension in force. Instants in epoch milliseconds. */
export interface Suspension {
  readonly subject: string
  readonly reason: SuspensionReason
  /**
   * By the clock of whoever asked: a store that goes by its own clock adds what is left to the `now` it was given, so
   * that a new suspension lasts its whole duration, and not a minute more for a millisecond's difference.
   */
  readonly until: number
  /** Text of the refusal as the rule that suspended had it, with `{minutes}` still in it. */
  readonly message: string
}

/** What is kept of a subject (reference cheshire-cat-plugin.md, "State"). Instants in epoch milliseconds, 0 = never. */
export interface SuspensionRecord {
  readonly subject: string
  /** Of the next content infraction, counted from 0. */
  readonly level: number
  /** The latest suspension, over or not; undefined: none was ever given, or it was lifted. */
  readonly latest: Suspension | undefined
  /** End of the latest content suspension. */
  readonly contentUntil: number
  /** The last message, refused ones included, those during a suspension not. */
  readonly lastMessageAt: number
  /** Messages that nothing was against. */
  readonly messagesTotal: number
}

/** When a level falls back to 0. */
export interface ResetRule {
  readonly resetAfterMs: number
  readonly resetOn: 'quiet' | 'clean-message'
}

/** A message that passed, or was refused without a suspension. */
export interface NotedMessage {
  readonly subject: string
  /** Refused ones move the quiet time and are not part of the total. */
  readonly refused: boolean
  readonly reset: ResetRule
  readonly now: number
  /** So many of them, for a store that is told late; absent: one. */
  readonly times?: number
  /** See `SuspendRequest`. */
  readonly ageMs?: number
}

interface SuspendBase {
  /** Names the infraction: asked again under the same id (the first answer was lost), it counts once. */
  readonly id: string
  readonly subject: string
  readonly message: string
  /** When it happened, by the process's clock. A store that several processes share may go by its own. */
  readonly now: number
  /** How long ago it happened, for a store that goes by its own clock and is told late; absent: now. */
  readonly ageMs?: number
}

/** A growing suspension: level = max(own level, severity); the duration is that of the level, the last one stays. */
export interface ContentSuspend extends SuspendBase {
  readonly reason: 'content'
  readonly severity: number | undefined
  /** Not empty. */
  readonly durationsMs: readonly number[]
  readonly reset: ResetRule
}

/** A fixed one; the level is untouched, but for a quiet time that has passed. */
export interface RateSuspend extends SuspendBase {
  readonly reason: 'rate'
  readonly durationMs: number
  /** Of the route's content rules: this message ends the quiet time, too. Absent: the route has none. */
  readonly reset?: ResetRule
}

export type SuspendRequest = ContentSuspend | RateSuspend

/**
 * Suspensions of a store. Each call is atomic; synchronous where the store is in process. Records expire by themselves
 * when nothing in them matters any more (`retention` for totals).
 */
export interface SuspensionStore {
  /** In force at `now`; a look, it changes nothing. */
  find (subject: string, now: number): Suspension | undefined | Promise<Suspension | undefined>
  /**
   * Resolves when the suspension would survive `kill -9` (or the disk has failed, which is in the log: it is in force
   * all the same). One in force stays: the later end holds, and is answered. Messages that were under way together do
   * not climb the ladder: what came before the first one's refusal was told is measured at that one's level.
   */
  suspend (request: SuspendRequest): Suspension | Promise<Suspension>
  note (message: NotedMessage): void | Promise<void>
  /** All that is kept of a subject; undefined: nothing. */
  get (subject: string): SuspensionRecord | undefined | Promise<SuspensionRecord | undefined>
  /** Ends a suspension; level and totals stay, and the quiet time runs from now. False: none was in force. */
  lift (subject: string, now: number): boolean | Promise<boolean>
  /** Removes everything that is kept of a subject. */
  forget (subject: string): void | Promise<void>
}

/** One in process, which answers at once. */
export interface LocalSuspensions extends SuspensionStore {
  find (subject: string, now: number): Suspension | undefined
  suspend (request: SuspendRequest): Suspension
  note (message: NotedMessage): void
  get (subject: string): SuspensionRecord | undefined
  lift (subject: string, now: number): boolean
  forget (subject: string): void
  /** Takes over what another store says of a subject. */
  adopt (suspension: Suspension): void
}
