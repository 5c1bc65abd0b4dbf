import type { ClientAddress, Identity, IdentityRequest, VerifiedUser } from './contract.js'
import { groupValues } from './group-places.js'
import { bringsBearer } from './guest.js'
import { readBodyPlace, textsAt } from './places.js'
import type { Found, Source } from './source.js'
import { readUserId } from './user-id.js'

/** More different credentials than this in one request are no person's; see `Identity.ambiguous`. */
const MAX_CREDENTIALS = 16
const NOBODY: readonly VerifiedUser[] = []

const NO_TEXTS: readonly string[] = []
const NO_GROUPS: readonly (readonly unknown[])[] = []

type Sources = readonly Source[]

/** Verifies every credential of the head, source by source. */
export function identifyHead (
  sources: Sources, request: IdentityRequest, client: ClientAddress
): Identity | Promise<Identity> {
  const texts = new Set<string>()
  const found: (Found | Promise<Found>)[] = []
  let group: string | undefined
  for (const source of sources) {
    if (source.head.length + source.group.head.length === 0 || !source.believes(request)) continue
    const credentials = new Set(textsAt(source.head, request))
    const aliases = source.alias === undefined ? NO_TEXTS : textsAt(source.alias.head, request)
    for (const text of credentials) texts.add(text)
    for (const text of aliases) texts.add(text)
    if (texts.size > MAX_CREDENTIALS || (source.singular && credentials.size > 1)) return ambiguous(client)
    found.push(...foundBy(source, credentials, aliases))
    if (source.singular) group ??= firstId(textsAt(source.group.head, request))
  }
  const tell = (users: readonly Found[]) => withDoubt(named(client, users, group), request)
  return found.every(isKnown) ? tell(found) : allOf(found).then(tell)
}

/** Whom a source's credentials name, and behind them whom the aliases beside them do. */
function foundBy (
  source: Source, credentials: Iterable<string>, aliases: readonly string[]
): (Found | Promise<Found>)[] {
  const { alias } = source
  if (alias === undefined) return [...credentials].map((text) => source.verify(text))
  const others = aliases.flatMap((text) => alias.verify(text) ?? [])
  const users = [...credentials].map((text) => {
    const user = source.verify(text)
    return isKnown(user) ? alias.nameOf(user, others) : user.then((known) => alias.nameOf(known, others))
  })
  return [...users, ...others]
}

/** Nobody, but with a token that ought to name somebody. */
function withDoubt (identity: Identity, request: IdentityRequest): Identity {
  return identity.users.length === 0 && bringsBearer(request) ? { ...identity, unverified: true } : identity
}

interface WithBody { readonly request: IdentityRequest, readonly head: Identity, readonly body: unknown }

/** A route's own sources, and those of the whole policy. */
interface BodySources { readonly own: Sources, readonly common: Sources }

/**
 * What the route's own sources find in the body names the user: it is what the route is about, and whoever guesses at
 * another's account must not hide behind his own. Otherwise whom the head named stays the user.
 */
export function identifyBody ({ own, common }: BodySources, { request, head, body }: WithBody): Identity {
  if (head.ambiguous === true) return head
  const first = readBody(own, request, body)
  const last = readBody(common, request, body)
  if (first === undefined || last === undefined) return ambiguous(head.client)
  const users = [...first.users, ...head.users, ...last.users]
  return withDoubt(named(head.client, users, first.group ?? head.group ?? last.group), request)
}

interface BodyFindings { readonly users: readonly Found[], readonly group: string | undefined }

/** Undefined: in one place stand several values, of which a backend may believe another than we do. */
function readBody (sources: Sources, request: IdentityRequest, body: unknown): BodyFindings | undefined {
  const users: Found[] = []
  let group: string | undefined
  for (const source of sources) {
    if (source.body.length + source.group.body.length === 0 || !source.believes(request)) continue
    const credentials = source.body.map((place) => readBodyPlace(place, body))
    const groups = source.singular ? groupValues(source.group.body, body) : NO_GROUPS
    if ([...credentials, ...groups].some(({ length }) => length > 1)) return undefined
    for (const value of credentials.flat()) {
      const user = source.verify(value)
      if (isKnown(user)) users.push(user)
    }
    group ??= firstId(groups.flat())
  }
  return { users, group }
}

function ambiguous (client: ClientAddress): Identity {
  return { client, user: undefined, users: NOBODY, group: undefined, ambiguous: true }
}

function named (client: ClientAddress, found: readonly Found[], group: string | undefined): Identity {
  const users = distinct(found)
  return { client, user: users[0], users, group }
}

/** Each user once, in order, his other name behind him; of several with one id the first. */
function distinct (found: readonly Found[]): readonly VerifiedUser[] {
  const users: VerifiedUser[] = []
  const add = (user: VerifiedUser) => { if (!users.some(({ id }) => id === user.id)) users.push(user) }
  for (const user of found) {
    if (user === undefined) continue
    add(user)
    if (user.alias !== undefined) add({ ...user, id: user.alias, alias: user.id })
  }
  return users.length === 0 ? NOBODY : users
}

function isKnown (found: Found | Promise<Found>): found is Found {
  return !(found instanceof Promise)
}

async function allOf (found: readonly (Found | Promise<Found>)[]): Promise<Found[]> {
  const users: Found[] = []
  // The promises are under way already: waiting for one after the other costs no more than for all.
  for (const one of found) users.push(isKnown(one) ? one : await one)
  return users
}

function firstId (values: readonly unknown[]): string | undefined {
  for (const value of values) {
    const id = readUserId(value)
    if (id !== undefined) return id
  }
  return undefined
}
