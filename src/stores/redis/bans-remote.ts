/** The bans as they stand in Redis: a hash of bans, a sorted set of lifts, a stream of changes, all on one node. */
import { LIFTS_KEPT_MS } from '../memory/bans.js'
import type { RedisClient, RedisLink } from './contract.js'
import { defineScript, runScript } from './scripts.js'

const PUT = defineScript('bans-put', [new URL('./bans-put.lua', import.meta.url)])
const OPEN = defineScript('bans-open', [new URL('./bans-open.lua', import.meta.url)])
const SWEEP = defineScript('bans-sweep', ['basics', 'bans-sweep'].map((name) => new URL(`./${name}.lua`, import.meta.url)))
/** Renewed with every change and every snapshot: whatever nobody uses any more goes by itself. */
const KEY_EXPIRY_MS = 400 * 86_400_000
const SCAN_STEP = 500
const READ_AT_MOST = 500

/** Everything about one subject that Redis keeps. */
export interface RemoteState {
  /** '' = no ban. */
  readonly json: string
  /** Epoch milliseconds; -1 = no lift; not finite: none of ours. */
  readonly liftedAt: number
}

export interface Put extends RemoteState {
  readonly subject: string
  /** The JSON that is to be replaced, '' = none. */
  readonly known: string
  readonly by: string
}

/** `n`: the number of the change, 0 when nothing had to be changed. `found`: somebody else was faster. */
export type PutReply = { readonly n: number } | { readonly found: RemoteState }

export interface Change extends RemoteState {
  readonly subject: string
  /** Its number: the one before has one less. */
  readonly n: number
  /** Its id in the stream. */
  readonly id: string
  readonly by: string
  /** When it was made, by the clock of who made it. */
  readonly at: number
}

/** Where the data stand: which incarnation, and after how many changes. */
export interface Pulse { readonly generation: string | undefined, readonly seq: number }

export interface Opened { readonly generation: string, readonly seq: number, readonly lastId: string }

/** A ban whose end has passed by our clock. */
export interface RanOut { readonly subject: string, readonly json: string, readonly expiresAt: number }

/** Rejects whenever Redis does. */
export interface RemoteBans {
  /** Resolves when the connection that may block is up. */
  knock (): Promise<void>
  open (): Promise<Opened>
  pulse (): Promise<Pulse>
  bans (): Promise<Map<string, string>>
  lifts (): Promise<Map<string, number>>
  put (change: Put, now: number): Promise<PutReply>
  /** Removes bans where their JSON is still this, and their end has passed by the clock of Redis too. */
  sweep (ranOut: readonly RanOut[], now: number): Promise<void>
  /** Changes after an id; waits at most `blockMs` for the first. */
  read (after: string, blockMs: number): Promise<Change[]>
}

export interface RemoteOptions {
  readonly link: RedisLink
  /** The connection that may block. */
  readonly feed: RedisClient
  /** Names the generation of a Redis that has none: anew each time, since it may have lost the one of before. */
  newId (): string
}

export function createRemoteBans ({ link, feed, newId }: RemoteOptions): RemoteBans {
  const { calm } = link
  const bansKey = link.key('bans', ':all')
  const liftsKey = link.key('bans', ':lifts')
  const changesKey = link.key('bans', ':changes')
  const keys = [bansKey, liftsKey, changesKey]
  return {
    knock: async () => { await feed.hexists(bansKey, ':seq') },
    open: async () => {
      const reply = await runScript(calm, OPEN, keys, [KEY_EXPIRY_MS, newId()]) as [string, number, string]
      return { generation: reply[0], seq: reply[1], lastId: reply[2] }
    },
    pulse: async () => {
      const [known, seq] = await calm.hmget(bansKey, ':generation', ':seq')
      return { generation: known ?? undefined, seq: Number(seq ?? 0) }
    },
    bans: async () => {
      const found = new Map<string, string>()
      await walk((cursor) => calm.hscan(bansKey, cursor, 'COUNT', SCAN_STEP), (subject, json) => {
        if (!subject.startsWith(':')) found.set(subject, json)
      })
      return found
    },
    lifts: async () => {
      const found = new Map<string, number>()
      await walk((cursor) => calm.zscan(liftsKey, cursor, 'COUNT', SCAN_STEP), (subject, score) => {
        found.set(subject, Number(score))
      })
      return found
    },
    put: async ({ subject, known, json, liftedAt, by }, now) => {
      const args = [subject, known, json, liftedAt, by, now, now - LIFTS_KEPT_MS, KEY_EXPIRY_MS, newId()]
      const reply = await runScript(calm, PUT, keys, args) as [1, number] | [0, string, string]
      return reply[0] === 1 ? { n: reply[1] } : { found: { json: reply[1], liftedAt: Number(reply[2]) } }
    },
    sweep: async (ranOut, now) => {
      for (let from = 0; from < ranOut.length; from += SCAN_STEP) {
        const some = ranOut.slice(from, from + SCAN_STEP)
        const args = some.flatMap(({ subject, json, expiresAt }) => [subject, json, expiresAt])
        await runScript(calm, SWEEP, [bansKey], [link.now(now), ...args])
      }
    },
    read: async (after, blockMs) => {
      const found = await feed.xread('COUNT', READ_AT_MOST, 'BLOCK', blockMs, 'STREAMS', changesKey, after)
      return (found?.[0]?.[1] ?? []).map(([id, members]) => changeOf(id, members))
    },
  }
}

type Page = Promise<[cursor: string, members: string[]]>

async function walk (page: (cursor: string) => Page, visit: (member: string, value: string) => void): Promise<void> {
  let cursor = '0'
  do {
    const [next, members] = await page(cursor)
    for (let i = 0; i + 1 < members.length; i += 2) visit(members[i] as string, members[i + 1] as string)
    cursor = next
  } while (cursor !== '0')
}

function changeOf (id: string, members: readonly string[]): Change {
  const of = new Map<string, string>()
  for (let i = 0; i + 1 < members.length; i += 2) of.set(members[i] as string, members[i + 1] as string)
  return {
    id,
    n: Number(of.get('n')),
    subject: of.get('subject') ?? '',
    json: of.get('ban') ?? '',
    liftedAt: Number(of.get('lift') ?? -1),
    by: of.get('by') ?? '',
    at: Number(of.get('at')),
  }
}
