import { MongoBulkWriteError, MongoServerError } from 'mongodb'

/** `Unauthorized`, `AuthenticationFailed`, Atlas's own. */
const FORBIDDEN: readonly unknown[] = [13, 18, 8000]

export function isForbidden (error: unknown): boolean {
  return error instanceof MongoServerError && FORBIDDEN.includes(error.code)
}

/** False: the server took some at most, for reasons of single writes. Rejects for any other failure. */
export async function tookAll (write: () => Promise<unknown>): Promise<boolean> {
  try {
    await write()
    return true
  } catch (error) {
    if (!(error instanceof MongoBulkWriteError) || isForbidden(error)) throw error
    const refused = [error.writeErrors].flat()
    if (refused.length === 0 || error.result.getWriteConcernError() !== undefined) throw error
    return false
  }
}

/** One line for the log: the driver's own text may name hosts, never a password. */
export function faultOf (error: unknown): { readonly reason: string } {
  return { reason: error instanceof Error ? error.message : String(error) }
}
