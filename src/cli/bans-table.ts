import Table from 'cli-table3'
import type { Static } from 'typebox'
import type { BanJson } from '../admin/ban-schemas.js'

type Ban = Static<typeof BanJson>

/** Bans for people: one row each. */
export function banTable (bans: readonly Ban[], colour: boolean): string {
  if (bans.length === 0) return 'Nobody is banned.'
  const table = new Table({
    head: ['subject', 'because of', 'since', 'until', 'by', 'linked', 'note'],
    style: colour ? {} : { head: [], border: [] },
  })
  for (const ban of bans) {
    table.push([
      ban.subject, ban.violation, minute(ban.createdAt), endOf(ban), ban.source, ban.linked.join('\n'), ban.note ?? '',
    ].map((text) => text.split('\n').map(plain).join('\n')))
  }
  return table.toString()
}

/** One ban as a sentence. */
export function banLine (ban: Ban): string {
  return `${plain(ban.subject)} is banned ${ban.expiresAt === null ? 'for ever' : `until ${minute(ban.expiresAt)}`}`
}

/** Ids and notes come from others: what would steer the terminal or turn the line around is not printed. */
export function plain (text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '�')
}

function endOf ({ expiresAt }: Ban): string {
  return expiresAt === null ? 'for ever' : minute(expiresAt)
}

/** `2026-11-21 08:54 UTC` */
function minute (instant: string): string {
  return `${instant.slice(0, 16).replace('T', ' ')} UTC`
}
