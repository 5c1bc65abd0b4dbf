import type { Command } from 'commander'
import type { Static } from 'typebox'
import type { BanJson, BanList } from '../admin/ban-schemas.js'
import { canonicalSubject, DURATION_EXPECTED, parseBanDuration } from '../bans/bans.js'
import { AdminRefusal, createAdminClient, type AdminClient } from './admin-client.js'
import { banLine, banTable, plain } from './bans-table.js'
import type { Terminal } from './terminal.js'

type Ban = Static<typeof BanJson>

interface Choice { readonly user?: string, readonly ip?: string, readonly json?: boolean }
interface AddOptions extends Choice { readonly duration?: string, readonly note?: string }
interface LiftOptions extends Choice { readonly linked: boolean, readonly keepScore?: boolean }

const PATH = '/api/v1/bans'
const SUBJECT = 'user:<id>, ip:<address> or ip:<network>/<prefix>'
const HELP = `
The gateway is found by PORTCULLIS_ADMIN_URL (http://127.0.0.1:9090); the token is ADMIN_TOKEN, or the one that
the gateway keeps in DATA_DIR. Durations carry a unit: 90m, 2h, 7d, or forever.

  portcullis bans
  portcullis bans add user:42 2h --note "spam"
  portcullis bans add ip:203.0.113.0/24 forever
  portcullis bans lift user:42`

/** Adds `portcullis bans [list|add|lift]`, which speaks to the running gateway through its admin API. */
export function addBans (program: Command, terminal: Terminal): void {
  const bans = program.command('bans').description('list, add and lift bans of the running gateway')
    .addHelpText('after', HELP)
  addList(bans, terminal)
  addAdd(bans, terminal)
  addLift(bans, terminal)
}

function addList (bans: Command, terminal: Terminal): void {
  const command = withChoice(bans.command('list', { isDefault: true }).description('bans in force, newest first'))
  command.action((options: Choice) => talk(command, terminal, async (client) => {
    const found = await everyPage(client, options)
    const forPeople = () => banTable(found, terminal.stdout.isTTY === true)
    terminal.stdout.write(`${options.json === true ? JSON.stringify({ bans: found }) : forPeople()}\n`)
  }))
}

function addAdd (bans: Command, terminal: Terminal): void {
  const command = withChoice(bans.command('add').description('ban somebody, or ban longer'))
    .argument('[subject]', SUBJECT).argument('[duration]', DURATION_EXPECTED)
    .option('--duration <duration>', 'instead of the argument')
    .option('--note <text>', 'why, for those who look later')
  command.action((first: string | undefined, second: string | undefined, options: AddOptions) => {
    const named = options.user !== undefined || options.ip !== undefined
    const duration = options.duration ?? (named ? first : second)
    const subject = subjectOf(command, named && options.duration === undefined ? undefined : first, options)
    if (duration === undefined || parseBanDuration(duration) === undefined) {
      command.error(`error: duration: found ${JSON.stringify(duration ?? '')}, expected ${DURATION_EXPECTED}`)
    }
    const who = subject.startsWith('user:') ? { user: subject.slice('user:'.length) } : { ip: subject.slice('ip:'.length) }
    return talk(command, terminal, async (client) => {
      const placed = await client.request('POST', PATH, { ...who, duration, note: options.note }) as Ban
      terminal.stdout.write(`${options.json === true ? JSON.stringify(placed) : banLine(placed)}\n`)
    })
  })
}

function addLift (bans: Command, terminal: Terminal): void {
  const command = withChoice(bans.command('lift').description('end a ban now and reset the score'))
    .argument('[subject]', SUBJECT)
    .option('--no-linked', 'leave the address bans that this user caused')
    .option('--keep-score', 'leave the scores as they are')
  command.action((text: string | undefined, options: LiftOptions) => {
    const subject = subjectOf(command, text, options)
    const query = `linked=${options.linked}&keepScore=${options.keepScore === true}`
    return talk(command, terminal, async (client) => {
      await client.request('DELETE', `${PATH}/${encodeURIComponent(subject)}?${query}`)
      const done = options.json === true ? JSON.stringify({ lifted: subject }) : `${plain(subject)} is no longer banned`
      terminal.stdout.write(`${done}\n`)
    })
  })
}

function withChoice (command: Command): Command {
  return command
    .option('--user <id>', 'the user of this id')
    .option('--ip <address>', 'this address or CIDR')
    .option('--json', 'for programs instead of people')
}

/** The one subject that a line names, by argument or by option; a bare address may stand for itself. */
function subjectOf (command: Command, text: string | undefined, { user, ip }: Choice): string {
  const named = [
    ...(user === undefined ? [] : [`user:${user}`]),
    ...(ip === undefined ? [] : [`ip:${ip}`]),
    ...(text === undefined ? [] : [text]),
  ]
  const [only = ''] = named
  if (named.length > 1) command.error(`error: found ${named.length} subjects, expected one`)
  if (canonicalSubject(only) !== undefined) return only
  if (canonicalSubject(`ip:${only}`) !== undefined) return `ip:${only}`
  return command.error(`error: subject: found ${JSON.stringify(only)}, expected ${SUBJECT}`)
}

async function everyPage (client: AdminClient, { user, ip }: Choice): Promise<Ban[]> {
  const found: Ban[] = []
  const query = new URLSearchParams({ ...(user === undefined ? {} : { user }), ...(ip === undefined ? {} : { ip }) })
  for (;;) {
    const page = await client.request('GET', `${PATH}?${query}`) as Static<typeof BanList>
    found.push(...page.bans)
    if (page.next === null) return found
    query.set('cursor', page.next)
  }
}

/** Wrong words are the caller's mistake (exit 2), everything else is a failure at work (exit 1). */
async function talk (
  command: Command, terminal: Terminal, speak: (client: AdminClient) => Promise<void>
): Promise<void> {
  try {
    await speak(await createAdminClient(terminal))
  } catch (error) {
    if (error instanceof AdminRefusal && error.status === 400) command.error(`error: ${error.message}`)
    throw error
  }
}
