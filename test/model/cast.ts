/** Who and what there is in one sequence: people, addresses, limiters, and what a request of theirs asks for. */
import { addressSubject } from '../../src/identity/identity.js'
import { bucketOf } from '../../src/limits/buckets.js'
import type { Hit, Limiter } from '../../src/limits/contract.js'
import { EXACT_SLIDING_MAX } from '../../src/limits/window.js'
import type { Breach } from '../../src/violations/contract.js'
import { exchangeOf, identityOf } from '../bans/exchange-rig.js'
import { limiterOf } from '../contract/limiters.js'
import { ADDRESSES, USERS, type Price, type Rule, type Who } from './commands.js'
import { INTERVAL, type Caller } from './deeds.js'

const LARGE_COST = 300
/** Who sends it is filled in. */
const EXCHANGE = exchangeOf({})

export interface Asking {
  /** Index of the rule. */
  readonly rule: number
  readonly cost: number
  readonly price: Price | undefined
}

export interface Cast {
  /** All users and addresses. */
  readonly subjects: readonly string[]
  caller (who: Who): Caller
  /** undefined: there is no such rule, or it does not count this caller. */
  hit (caller: Caller, asking: Asking): Hit | undefined
  /** Rules that count answers. */
  readonly counting: readonly number[]
}

/** @param run names whatever there is, so that no other sequence meets it */
export function createCast (run: string, rules: readonly Rule[]): Cast {
  const limiters = rules.map((rule, index) => toLimiter(rule, `${run}/${index}`))
  const users = Array.from({ length: USERS }, (_, index) => `${run}-${index}`)
  const addresses = Array.from({ length: ADDRESSES }, (_, index) => addressOf(run, index))
  return {
    subjects: [...users.map((id) => `user:${id}`), ...addresses.map(ipOf)],
    caller: ({ user, address: index }) => {
      const address = addresses[index] as string
      return { user: user === undefined ? undefined : users[user], address, ip: ipOf(address) }
    },
    hit: (caller, { rule, cost, price }) => {
      const limiter = limiters[rule]
      const found = limiter && bucketOf(limiter, exchangeFrom(caller))
      const breach = price === undefined ? undefined : breachOf(caller, price, limiter?.observe === true)
      return found && { limiter, ...found, cost: costFor(limiter, cost), peek: limiter.countStatus.length > 0, breach }
    },
    counting: rules.flatMap(({ countsAnswers }, index) => countsAnswers ? [index] : []),
  }
}

/** Who pays for what this caller does. */
export function subjectOf ({ user, ip }: Caller): string {
  return user === undefined ? ip : `user:${user}`
}

export function breachOf (caller: Caller, price: Price, shadow: boolean): Breach {
  return { ...price, subject: subjectOf(caller), interval: INTERVAL, shadow }
}

/** Hits of one subject follow each other, in the order in which they first come; those of one subject go last. */
export function groupBySubject (hits: readonly Hit[], last: string): Hit[] {
  const groups = Map.groupBy(hits, ({ subject }) => subject)
  const ofLast = groups.get(last) ?? []
  groups.delete(last)
  return [...groups.values(), ofLast].flat()
}

function toLimiter ({ isLarge, countsAnswers, ...numbers }: Rule, name: string): Limiter {
  const isWeighted = isLarge && numbers.max > 0 && numbers.algorithm === 'sliding-window'
  const max = isWeighted ? EXACT_SLIDING_MAX + LARGE_COST * numbers.max : numbers.max
  return limiterOf(name, { ...numbers, max, countStatus: countsAnswers ? [401] : [] })
}

function costFor ({ max }: Limiter, cost: number): number {
  return max > EXACT_SLIDING_MAX ? cost * LARGE_COST : cost
}

/** One IPv6, which counts as its network. */
function addressOf (run: string, index: number): string {
  const [high, low] = [Number(run) >> 8 & 0xff, Number(run) & 0xff]
  return index === 0 ? `2001:db8:${high}:${low}::1` : `198.18.${high}.${low}`
}

function ipOf (address: string): string {
  return addressSubject(address, 64) ?? ''
}

function exchangeFrom ({ user, address }: Caller) {
  return { ...EXCHANGE, identity: identityOf({ users: user === undefined ? [] : [user], address, group: 'all' }) }
}
