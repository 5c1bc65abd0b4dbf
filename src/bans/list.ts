import type { BanShelf } from './ban-shelf.js'
import type { Ban, BanPage, BanQuery } from './contract.js'
import { importedSubject, isPardoned, shownBan } from './imported.js'
import { isInForce } from './merge.js'
import { canonicalSubject } from './subjects.js'

const PAGE_SIZE = 100

/** One page of the bans in force; undefined when the cursor is none of ours. */
export function listBans (shelf: BanShelf, query: BanQuery, now: number): BanPage | undefined {
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
  if (query.cursor !== undefined && after === undefined) return undefined
  const found = candidates(shelf, query).filter((ban) => isInForce(ban, now) && !isPardoned(ban))
  const rest = (after === undefined ? found : found.filter((ban) => compare(after, ban) < 0)).sort(compare)
  const bans = rest.slice(0, query.limit ?? PAGE_SIZE)
  const last = bans.at(-1)
  const isLast = last === undefined || bans.length === rest.length
  return { bans: bans.map(shownBan), next: isLast ? undefined : cursorOf(last) }
}

function candidates (shelf: BanShelf, { user, ip }: BanQuery): Ban[] {
  if (user === undefined && ip === undefined) return [...shelf.all]
  const ofUser = user === undefined ? [] : [shelf.ofUser(user), shelf.get(importedSubject(user))]
  return [...ofUser.filter((ban) => ban !== undefined), ...(ip === undefined ? [] : ofAddress(shelf, ip))]
}

function ofAddress (shelf: BanShelf, ip: string): Ban[] {
  if (ip.includes('/')) {
    const ban = shelf.get(canonicalSubject(`ip:${ip}`) ?? '')
    return ban === undefined ? [] : [ban]
  }
  return shelf.subjectsOf(ip).map((subject) => shelf.get(subject)).filter((ban) => ban !== undefined)
}

type Position = Pick<Ban, 'createdAt' | 'subject'>

/** Newest first; the subject decides between equals, so that pages neither repeat nor skip. */
function compare (a: Position, b: Position): number {
  return b.createdAt - a.createdAt || (a.subject < b.subject ? -1 : a.subject > b.subject ? 1 : 0)
}

function cursorOf ({ createdAt, subject }: Position): string {
  return Buffer.from(`${createdAt} ${subject}`).toString('base64url')
}

function parseCursor (cursor: string): Position | undefined {
  const text = Buffer.from(cursor, 'base64url').toString()
  const space = text.indexOf(' ')
  const createdAt = Number(text.slice(0, space))
  return space < 1 || !Number.isFinite(createdAt) ? undefined : { createdAt, subject: text.slice(space + 1) }
}
