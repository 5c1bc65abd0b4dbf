import { readFile, rename, stat } from 'node:fs/promises'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'

export interface OwnFileOptions<T> {
  readonly path: string
  /** Makes sense of the file's JSON; throws when it is not of our making. */
  parse (content: unknown): T
  /** What its text says, where that is not one JSON value; throws likewise. */
  decode? (text: string): unknown
  readonly clock: Clock
  readonly log: Log
}

/**
 * Reads a file of ours; undefined when there is none. A file of that name that we cannot have written, or that is
 * damaged, is never overwritten: it is set aside, said, and the start goes on without it.
 */
export async function readOwnFile<T> (
  { path, parse, decode = JSON.parse, clock, log }: OwnFileOptions<T>
): Promise<T | undefined> {
  const text = await readIfThere(path)
  if (text === undefined) return undefined
  try {
    return parse(decode(text))
  } catch (error) {
    await setAside(path, { why: (error as Error).message, clock, log })
    return undefined
  }
}

export interface SetAsideOptions { readonly why: string, readonly clock: Clock, readonly log: Log }

/** Renames a file to its name with the date, and says so. Answers the new path. */
export async function setAside (path: string, { why, clock, log }: SetAsideOptions): Promise<string> {
  // Without colons: they trouble other systems and many tools.
  const dated = `${path}.${new Date(clock()).toISOString().replaceAll(':', '-')}`
  let free = dated
  for (let n = 2; await exists(free); n++) free = `${dated}-${n}`
  await rename(path, free)
  log.warn({ path, renamedTo: free, why }, 'A file that is not ours, or damaged, stood in the data directory: set aside, nothing of it is lost')
  return free
}

/** Throws for anything that is not a JSON object with our format number. */
export function expectFormat (content: unknown, format: number): Record<string, unknown> {
  if (!isRecord(content)) throw new Error('not a JSON object')
  if (content['$format'] !== format) throw new Error(`"$format" is ${JSON.stringify(content['$format']) ?? 'missing'}, expected ${format}`)
  return content
}

export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function readIfThere (path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function exists (path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false)
}
