/** Names of the keys of counters, scores, suspensions and leases. All keys of a subject share a slot of a Cluster. */
import type { Lease } from '../../concurrency/contract.js'
import type { Hit } from '../../limits/contract.js'
import type { RedisLink } from './contract.js'
import { kindOf } from './kinds.js'

type Naming = Pick<RedisLink, 'key'>

/**
 * The kind of the state is part of the name, so that another algorithm (after a reload) begins with a whole bucket.
 * No name in a YAML key holds a line break in earnest.
 */
export function windowKey (link: Naming, { limiter, bucket, subject }: Pick<Hit, 'limiter' | 'bucket' | 'subject'>): string {
  const rest = `${kindOf(limiter)}:${limiter.name}`
  return link.key(subject, bucket === subject ? rest : `${rest}\n${bucket}`)
}

export function scoresKey (link: Naming, subject: string, shadow: boolean): string {
  return link.key(subject, shadow ? 'shadows' : 'scores')
}

/** The last bookings of a subject by their ids, and those before them. */
export function bookingsKeys (link: Naming, subject: string): readonly [last: string, before: string] {
  return [link.key(subject, 'bookings'), link.key(subject, 'bookings:before')]
}

/** Suspension, level and total of messages of a subject. */
export function suspensionKey (link: Naming, subject: string): string {
  return link.key(subject, 'suspension')
}

export function slotsKey (link: Naming, { holder, rule }: Pick<Lease, 'holder' | 'rule'>): string {
  return link.key(holder, `slots:${rule}`)
}

export function leasesKey (link: Naming, { holder, rule }: Pick<Lease, 'holder' | 'rule'>): string {
  return link.key(holder, `leases:${rule}`)
}

/** The index of subjects with scores. */
export function subjectsKey (link: Naming): string {
  return link.key('violations', 'subjects')
}
