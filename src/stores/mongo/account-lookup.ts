import { ObjectId, type Collection } from 'mongodb'

export interface AccountLookupOptions {
  readonly mongo: { readonly users: Collection }
  /** The server gives up after that time. */
  readonly deadlineMs?: number
}

const DEADLINE_MS = 200

/**
 * Whose account an e-mail names, in the chat app's own `users`, which has an index on `email`. Reads, nothing else.
 * Rejects while the server is away.
 */
export function createAccountLookup (
  { mongo, deadlineMs = DEADLINE_MS }: AccountLookupOptions
): (email: string) => Promise<string | undefined> {
  return async (email) => {
    // A value from a request is a text here or nothing: never a query.
    if (typeof email !== 'string') return undefined
    const options = { projection: { _id: 1 }, maxTimeMS: deadlineMs }
    const found = await mongo.users.findOne({ email: { $eq: email } }, options)
    const id: unknown = found?._id
    if (id instanceof ObjectId) return id.toHexString()
    return typeof id === 'string' && id !== '' ? id : undefined
  }
}
