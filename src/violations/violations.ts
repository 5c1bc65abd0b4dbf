/**
 * What a breach costs. A refusal becomes a breach (or none, for those who are never scored), the store counts it,
 * and here follows the rest: the line in the journal, and the ban when the score has crossed a multiple of the interval.
 */
import { chain, rescue } from '../chain.js'
import type { Clock } from '../clock.js'
import type { Exchange } from '../exchange.js'
import { violationSubject } from '../identity/contract.js'
import type { Log } from '../log.js'
import { createFailureReport } from '../store-failure.js'
import type { Booking } from '../verdict/verdict.js'
import type { BanPlacer, Breach, BrokenRule, Journal, PricedRule, ScoreStore } from './contract.js'
import { violationRecord } from './violation-record.js'

export interface ViolationsOptions {
  readonly scores: ScoreStore
  readonly journal: Journal
  readonly bans: BanPlacer
  readonly clock: Clock
  readonly log: Log
  /** An id for a violation, unique over all instances. */
  newId (): string
}

export interface Violations {
  /**
   * Finishes a violation that the store has booked: journal and, if it is due, ban. Answers the booking completed
   * with that ban. Waits only for a ban, until it would survive `kill -9`; never rejects.
   */
  settle (exchange: Exchange, rule: BrokenRule, booked: Booked): Booking | Promise<Booking>
  /** The same for observe mode, which has no consequences: the journal says what would have happened. */
  noteShadow (exchange: Exchange, rule: BrokenRule, booked: Booked): Booking
  /**
   * Books and settles a violation of a check that is no limiter; undefined when its request is never scored, or when the
   * store failed: whoever is refused is refused all the same. Never rejects.
   */
  book (exchange: Exchange, rule: PricedRule): Booking | undefined | Promise<Booking | undefined>
}

export interface Booked {
  readonly breach: Breach
  readonly booking: Booking
}

export function createViolations (options: ViolationsOptions): Violations {
  const { scores, journal, bans, clock, log, newId } = options
  const lost = createFailureReport(log, clock)

  function settle (exchange: Exchange, rule: BrokenRule, booked: Booked): Booking | Promise<Booking> {
    if (booked.breach.shadow) return noteShadow(exchange, rule, booked)
    if (!bringsBan(exchange, booked)) return conclude(exchange, rule, booked)
    return placeBan(exchange, booked).then((booking) => conclude(exchange, rule, { ...booked, booking }))
  }

  function noteShadow (exchange: Exchange, rule: BrokenRule, booked: Booked): Booking {
    if (!bringsBan(exchange, booked)) return conclude(exchange, rule, booked)
    return conclude(exchange, rule, { ...booked, booking: withWouldBeBan(exchange, booked.booking) })
  }

  async function placeBan (exchange: Exchange, { breach, booking }: Booked): Promise<Booking> {
    try {
      const ban = await bans.banFor(exchange, breach, booking)
      return ban === undefined ? booking : { ...booking, ban }
    } catch (error) {
      log.error({ err: error, subject: breach.subject, requestId: exchange.id }, 'A ban could not be placed')
      return booking
    }
  }

  function conclude (exchange: Exchange, rule: BrokenRule, booked: Booked): Booking {
    journal.append(violationRecord(exchange, rule, booked))
    return booked.booking
  }

  return {
    settle,
    noteShadow,
    book (exchange, rule) {
      const breach = breachOf(exchange, rule)
      if (breach === undefined) return undefined
      const booked = rescue(() => scores.book({ id: newId(), breach, now: clock() }), lost)
      return chain(booked, (booking) => booking === undefined ? undefined : settle(exchange, rule, { breach, booking }))
    },
  }
}

/**
 * The violation that breaking this rule is; undefined for those who are refused but never scored: the exempt,
 * requests that another site made a visitor's browser send, and, where the policy says so, the anonymous.
 */
export function breachOf (
  exchange: Exchange, rule: Pick<PricedRule, 'type' | 'score' | 'observe' | 'withoutAmnesty'>
): Breach | undefined {
  const { bans } = exchange.policy
  if (exchange.exempt) return undefined
  if (rule.withoutAmnesty !== true && isCrossSite(exchange)) return undefined
  if (exchange.identity.user === undefined && !bans.scoreAnonymous) return undefined
  return {
    type: rule.type,
    subject: violationSubject(exchange.identity),
    score: rule.score,
    interval: bans.interval,
    scope: bans.scope,
    ttlMs: bans.scoreTtlMs,
    shadow: rule.observe === true || exchange.plan.mode === 'observe',
  }
}

/**
 * What another site made a visitor's browser send. A navigation is the visitor's own doing only when he set it off and
 * it fills a whole tab: frames and forms that submit themselves are the other site's.
 */
function isCrossSite ({ headers }: Exchange): boolean {
  if (headers['sec-fetch-site'] !== 'cross-site') return false
  const isOwnNavigation = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document' &&
    headers['sec-fetch-user'] === '?1'
  return !isOwnNavigation
}

function bringsBan ({ policy: { bans } }: Exchange, { booking }: Booked): boolean {
  return booking.crossed && bans.enabled && bans.durationMs > 0
}

function withWouldBeBan ({ policy: { bans } }: Exchange, booking: Booking): Booking {
  return { ...booking, ban: { durationMs: bans.durationMs, expiresAt: booking.at + bans.durationMs } }
}
