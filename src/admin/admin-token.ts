import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { chmod, mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../files/saved-file.js'

/** Where the token that we made ourselves is kept, beneath the data directory. */
export const TOKEN_FILE = 'admin-token'
const PRIVATE = 0o600
const TOKEN_BYTES = 32
const SHORTEST_TOKEN = 16

/** Who a token stands for. `read` may look, `write` may also change. */
export interface Operator {
  readonly name: string
  readonly scope: 'read' | 'write'
}

export interface NamedToken extends Operator {
  readonly token: string
}

export interface TokenSources {
  /** ADMIN_TOKEN. */
  readonly token: string | undefined
  /** Path of ADMIN_TOKEN_LIST. */
  readonly listFile: string | undefined
  readonly dataDir: string
}

export interface LoadedTokens {
  readonly tokens: readonly NamedToken[]
  /** File of a token that we made (now or earlier), to be named at start. */
  readonly madeIn: string | undefined
}

/**
 * All tokens that open the admin listener. With none given, one is made at the first start and kept.
 * Rejects when a file cannot be read or written, or a list holds mistakes (all of them in one message).
 */
export async function loadAdminTokens ({ token, listFile, dataDir }: TokenSources): Promise<LoadedTokens> {
  const listed = listFile === undefined ? [] : parseTokenList(await readFile(listFile, 'utf8'), listFile)
  const given = token === undefined ? listed : [{ name: 'admin', scope: 'write', token } as const, ...listed]
  if (given.length > 0) return { tokens: given, madeIn: undefined }
  const madeIn = join(dataDir, TOKEN_FILE)
  return { tokens: [{ name: 'admin', scope: 'write', token: await keptToken(madeIn) }], madeIn }
}

/** Reads lines of `NAME read|write TOKEN`; `#` begins a comment. Throws with every mistake, never with a token. */
export function parseTokenList (text: string, file: string): NamedToken[] {
  const tokens: NamedToken[] = []
  const mistakes: string[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [name = '', scope = '', token = '', ...rest] = line.replace(/^#.*| #.*/, '').trim().split(/\s+/)
    const mistake = (what: string) => mistakes.push(`${file}:${index + 1} ${what}`)
    if (name === '') continue
    if (rest.length > 0 || token === '') mistake('expected NAME read|write TOKEN')
    else if (scope !== 'read' && scope !== 'write') mistake(`expected read or write for ${name}`)
    else if (token.length < SHORTEST_TOKEN) mistake(`the token of ${name} has fewer than ${SHORTEST_TOKEN} characters`)
    else if (tokens.some((other) => other.name === name)) mistake(`${name} is named twice`)
    else tokens.push({ name, scope, token })
  }
  if (mistakes.length > 0) throw new Error(`ADMIN_TOKEN_LIST\n${mistakes.join('\n')}`)
  if (tokens.length === 0) throw new Error(`ADMIN_TOKEN_LIST ${file} names nobody`)
  return tokens
}

/** Tells whose a token is; undefined: nobody's. Takes as long for a near miss as for nonsense. */
export function createTokenCheck (tokens: readonly NamedToken[]): (token: string) => Operator | undefined {
  const known = tokens.map(({ name, scope, token }) => ({ operator: { name, scope }, digest: digestOf(token) }))
  return (token) => {
    const digest = digestOf(token)
    let operator: Operator | undefined
    for (const one of known) if (timingSafeEqual(digest, one.digest)) operator = one.operator
    return operator
  }
}

/** Equal lengths, whatever was sent: comparing tells nothing about the token's. */
function digestOf (token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

async function keptToken (file: string): Promise<string> {
  const kept = await readKept(file)
  if (kept !== undefined) return kept
  const token = randomBytes(TOKEN_BYTES).toString('base64url')
  await mkdir(join(file, '..'), { recursive: true })
  await replaceFile(file, [`${token}\n`], PRIVATE)
  return token
}

async function readKept (file: string): Promise<string | undefined> {
  try {
    const token = (await readFile(file, 'utf8')).trim()
    if (((await stat(file)).mode & 0o077) !== 0) await chmod(file, PRIVATE)
    return token === '' ? undefined : token
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
