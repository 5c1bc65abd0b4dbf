import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import Type, { type Static } from 'typebox'
import { Value } from 'typebox/value'
import type { Clock } from '../clock.js'
import { replaceFile } from '../files/saved-file.js'
import { hashPassword, matchesPassword } from './passwords.js'

const maxUsers = 10_000
const fileFormat = 1

const StoredUser = Type.Object({
  id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  username: Type.String(),
  provider: Type.Literal('local'),
  role: Type.Literal('USER'),
  passwordHash: Type.String(),
  createdAt: Type.String(),
})
const UserFile = Type.Object({ $format: Type.Literal(fileFormat), users: Type.Array(StoredUser) })

export type User = Static<typeof StoredUser>
/** What the API shows of a user. */
export type PublicUser = Omit<User, 'passwordHash'>
export interface NewAccount { readonly email: string, readonly name: string, readonly password: string }

export interface Users {
  /** The new user; `taken`: the e-mail has an account already; `full`: no more fit. */
  register (account: NewAccount): Promise<User | 'taken' | 'full'>
  findById (id: string): User | undefined
  /** Letter case and surrounding blanks of the e-mail do not matter. */
  findByEmail (email: string): User | undefined
  /** The user whose password this is. */
  authenticate (user: User, password: string): Promise<boolean>
}

/**
 * Accounts in memory and, with `file`, on disk before `register` answers.
 * Throws when the file is there but is not ours to read.
 */
export async function createUsers ({ file, clock }: { file?: string | undefined, clock: Clock }): Promise<Users> {
  const byEmail = new Map<string, User>()
  const byId = new Map<string, User>()
  let writing = Promise.resolve()

  function keep (user: User): void {
    byEmail.set(user.email, user)
    byId.set(user.id, user)
  }

  /** Writes follow one another; one failed write does not stop the next. */
  function save (): Promise<void> {
    if (file === undefined) return Promise.resolve()
    const write = () => writeUsers(file, [...byId.values()])
    writing = writing.then(write, write)
    return writing
  }

  if (file !== undefined) for (const user of await readUsers(file)) keep(user)

  return {
    async register ({ email, name, password }) {
      const passwordHash = await hashPassword(password)
      const folded = foldEmail(email)
      if (byEmail.has(folded)) return 'taken'
      if (byId.size >= maxUsers) return 'full'
      const user: User = {
        id: newUserId(),
        email: folded,
        name,
        username: folded.slice(0, folded.indexOf('@')),
        provider: 'local',
        role: 'USER',
        passwordHash,
        createdAt: new Date(clock()).toISOString(),
      }
      keep(user)
      await save()
      return user
    },
    findById: (id) => byId.get(id),
    findByEmail: (email) => byEmail.get(foldEmail(email)),
    authenticate: (user, password) => matchesPassword(password, user.passwordHash),
  }
}

export function publicUser ({ passwordHash: _, ...shown }: User): PublicUser {
  return shown
}

function foldEmail (email: string): string {
  return email.trim().toLowerCase()
}

/** Looks like the ObjectId that LibreChat's users have. */
function newUserId (): string {
  return randomBytes(12).toString('hex')
}

async function readUsers (file: string): Promise<readonly User[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return []
  const content: unknown = JSON.parse(text)
  if (!Value.Check(UserFile, content)) throw new Error(`${file}: not a user file of the demo backend`)
  return content.users
}

async function writeUsers (file: string, users: readonly User[]): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await replaceFile(file, [`${JSON.stringify({ $format: fileFormat, users })}\n`], 0o600)
}
