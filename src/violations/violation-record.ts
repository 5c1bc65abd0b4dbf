import type { Exchange } from '../exchange.js'
import type { Booking } from '../verdict/verdict.js'
import type { Breach, BrokenRule, ViolationRecord } from './contract.js'

const MS_PER_MINUTE = 60_000

/**
 * A violation as the journal keeps it. The route is told by its pattern, never by the target as sent, and neither
 * query nor headers nor body appear: they may hold tokens and prompts.
 */
export function violationRecord (
  exchange: Exchange, rule: BrokenRule, { breach, booking }: { breach: Breach, booking: Booking }
): ViolationRecord {
  const { user, client } = exchange.identity
  return {
    v: 1,
    date: new Date(booking.at).toISOString(),
    type: breach.type,
    ...(user === undefined ? {} : { user: user.id }),
    ip: client.address,
    ...(rule.key === undefined ? {} : { limiter: rule.key }),
    rule: rule.rule,
    ...(rule.max === undefined ? {} : { max: rule.max }),
    ...(rule.windowMs === undefined ? {} : { windowInMinutes: rule.windowMs / MS_PER_MINUTE }),
    score: booking.score,
    prev_count: booking.before,
    violation_count: booking.after,
    ...(booking.ban === undefined ? {} : { ban: true, ban_duration: booking.ban.durationMs }),
    route: exchange.plan.label,
    method: exchange.method,
    requestId: exchange.id,
    mode: breach.shadow ? 'observe' : 'enforce',
  }
}
