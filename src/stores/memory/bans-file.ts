/**
 * `bans.json`: `{"$format":1,"bans":[Ban, …],"lifts":{"<subject>":instant},"contact":{"generation","seq","inStepAt"}}`,
 * instants in epoch milliseconds. `lifts`, `contact` and its `seq` may be absent. Pure.
 */
import type { Ban } from '../../bans/contract.js'
import { expectFormat, isRecord } from '../../files/own-file.js'

const FORMAT = 1
const PIECE = 1000
const SOURCES: readonly unknown[] = ['auto', 'admin', 'mongo', 'backend'] satisfies Ban['source'][]

/** When these bans were last known to be those of a shared store. */
export interface Contact {
  /** Which incarnation of the shared store's data that was. */
  readonly generation: string
  /** How many changes it counted by then: one that counts fewer later has lost data, which an old dump brings about. */
  readonly seq: number
  /** Each knew all that the other knew. */
  readonly inStepAt: number
}

export interface KeptBans {
  readonly bans: readonly Ban[]
  /** Subject → instant of its last lift. */
  readonly lifts: readonly (readonly [subject: string, liftedAt: number])[]
  readonly contact: Contact | undefined
}

/** Taken at once, since what is kept goes on changing. */
export function renderBans ({ bans, lifts, contact }: KeptBans): Iterable<string> {
  return pieces([...bans], `],"lifts":${JSON.stringify(Object.fromEntries(lifts))}` +
    `${contact === undefined ? '' : `,"contact":${JSON.stringify(contact)}`}}\n`)
}

function * pieces (bans: readonly Ban[], rest: string): Iterable<string> {
  yield `{"$format":${FORMAT},"bans":[`
  for (let from = 0; from < bans.length; from += PIECE) {
    const lines = bans.slice(from, from + PIECE).map((ban) => JSON.stringify(ban))
    yield (from === 0 ? '\n' : ',\n') + lines.join(',\n')
  }
  yield `\n${rest}`
}

/** Throws when the file is none of ours or a ban in it cannot be read: rather look at it than let somebody in. */
export function parseBans (content: unknown): KeptBans {
  const { bans, lifts, contact } = expectFormat(content, FORMAT)
  if (!Array.isArray(bans) || !bans.every(isKnownBan)) throw new Error('"bans" does not hold bans')
  return { bans, lifts: isRecord(lifts) ? Object.entries(lifts).filter(isLift) : [], contact: parseContact(contact) }
}

/** Lenient about what a later version may have added. */
export function isBan (value: unknown): value is Ban {
  return isRecord(value) &&
    typeof value['subject'] === 'string' && typeof value['violation'] === 'string' &&
    Number.isFinite(value['score']) && Number.isFinite(value['createdAt']) &&
    (value['expiresAt'] === null || Number.isFinite(value['expiresAt'])) &&
    typeof value['source'] === 'string' &&
    Array.isArray(value['linked']) && value['linked'].every((subject) => typeof subject === 'string') &&
    ['note', 'recorded', 'row', 'liftedRow'].every((member) => value[member] === undefined || typeof value[member] === 'string') &&
    (value['renewedAt'] === undefined || Number.isFinite(value['renewedAt']))
}

function isKnownBan (value: unknown): value is Ban {
  return isBan(value) && SOURCES.includes(value.source)
}

function isLift (entry: [string, unknown]): entry is [string, number] {
  return Number.isFinite(entry[1])
}

function parseContact (value: unknown): Contact | undefined {
  if (!isRecord(value)) return undefined
  const { generation, seq, inStepAt } = value
  if (typeof generation !== 'string' || typeof inStepAt !== 'number') return undefined
  return { generation, seq: typeof seq === 'number' ? seq : 0, inStepAt }
}
