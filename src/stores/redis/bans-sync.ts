import { isInForce, placedAtOf } from '../../bans/bans.js'
import type { Clock } from '../../clock.js'
import type { Contact } from '../memory/bans-file.js'
import { parseBan, type LocalBans } from './bans-local.js'
import { BY_OTHERS, type BanOutbox } from './bans-outbox.js'
import type { Opened, RanOut, RemoteBans, RemoteState } from './bans-remote.js'
import { createBreath } from './breath.js'

/** As long as every instance remembers a lift: who was away for longer may have missed one. */
const LIFTS_KNOWN_FOR_MS = 24 * 3_600_000
/** By how much clocks of instances may differ without harm. */
const CLOCK_MARGIN_MS = 60_000

export interface BanSyncOptions {
  readonly remote: RemoteBans
  readonly local: LocalBans
  readonly outbox: BanOutbox
  readonly clock: Clock
}

/**
 * Makes this instance and Redis agree on every subject, in both directions: what Redis lost, by a flush, a failover or
 * an old dump, comes back from here, and what we missed comes from there. Answers where the stream goes on.
 */
export async function syncBans (options: BanSyncOptions, contact: Contact | undefined): Promise<Opened> {
  const { remote, local, outbox, clock } = options
  const opened = await remote.open()
  outbox.restart(opened.seq)
  const [bans, lifts] = [await remote.bans(), await remote.lifts()]
  const isOutdated = outdatedSince(lastsIn(opened, contact) ? contact : undefined, clock())
  const breath = createBreath()
  for (const subject of new Set([...bans.keys(), ...lifts.keys(), ...local.subjects()])) {
    if (breath.isDue) await breath.take()
    const found = { json: bans.get(subject) ?? '', liftedAt: lifts.get(subject) ?? -1 }
    const ours = local.stateOf(subject)
    if (isNothing(found) && ours.ban !== undefined && isOutdated(placedAtOf(ours.ban))) {
      outbox.forget(subject)
      local.adopt(subject, { ...ours, ban: undefined }, BY_OTHERS)
    } else outbox.compare(subject, found, opened.seq)
  }
  await remote.sweep(ranOut(bans, clock()), clock())
  return opened
}

/** Redis has all the data of that contact; after a flush it has another generation, after an old dump fewer changes. */
function lastsIn ({ generation, seq }: Opened, contact: Contact | undefined): boolean {
  return contact !== undefined && contact.generation === generation && contact.seq <= seq
}

/**
 * Whether a ban that Redis lacks was lifted while we were away, so long that nobody remembers the lift any more. Not
 * when Redis lost data meanwhile: then it may lack the ban for that.
 */
function outdatedSince (contact: Contact | undefined, now: number): (placedAt: number) => boolean {
  if (contact === undefined || now - contact.inStepAt <= LIFTS_KNOWN_FOR_MS) return () => false
  return (placedAt) => placedAt < contact.inStepAt - CLOCK_MARGIN_MS
}

function isNothing ({ json, liftedAt }: RemoteState): boolean {
  return json === '' && liftedAt < 0
}

function ranOut (bans: ReadonlyMap<string, string>, now: number): RanOut[] {
  return [...bans].flatMap(([subject, json]) => {
    const ban = parseBan(json)
    return ban === undefined || isInForce(ban, now) ? [] : { subject, json, expiresAt: ban.expiresAt ?? now }
  })
}
