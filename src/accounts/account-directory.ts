import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { AccountDirectory } from './contract.js'

const ACCOUNTS_KEPT = 100_000
const FOUND_KEPT_MS = 5 * 60_000
const MISS_KEPT_MS = 30_000
/** A sign-in waits no longer than that; what was learnt counts then. */
const DEADLINE_MS = 200
/** Questions under way; further ones are answered by what was learnt. */
const MAX_ASKING = 100
const FAILURES_UNTIL_REST = 3
const REST_MS = 10_000

export interface AccountDirectoryOptions {
  /** Asks the backend's own accounts; undefined: nobody of that e-mail. Absent: only sign-ins teach. */
  readonly lookUp?: (email: string) => Promise<string | undefined>
  readonly clock: Clock
  readonly log: Log
  readonly deadlineMs?: number
}

/** Remembers the accounts that signed in last. */
export function createLearntAccounts (): AccountDirectory {
  const accounts = new LRUCache<string, string>({ max: ACCOUNTS_KEPT })
  return {
    idOf: (email) => accounts.get(email),
    learn: (email, id) => { accounts.set(email, id) },
  }
}

/**
 * The backend's accounts, as far as they answer in time, else those that signed in lately. Answers at once what it was
 * told lately. After failures it does not ask for a while.
 */
export function createAccountDirectory (options: AccountDirectoryOptions): AccountDirectory {
  const { lookUp, clock, log, deadlineMs = DEADLINE_MS } = options
  const learnt = createLearntAccounts()
  if (lookUp === undefined) return learnt
  const known = new LRUCache<string, Answer>({ max: ACCOUNTS_KEPT, ttlResolution: 0, perf: { now: clock } })
  const asking = new Map<string, Promise<string | undefined>>()
  const trust = createTrust(clock, log)

  /** Never rejects; undefined also when there was no answer. */
  async function ask (email: string): Promise<string | undefined> {
    try {
      const id = await within(deadlineMs, keep(email))
      trust.kept()
      return id
    } catch (error) {
      trust.failed(error)
      return undefined
    } finally {
      asking.delete(email)
    }
  }

  /** An answer that comes too late for its sign-in is there for the next one. */
  async function keep (email: string): Promise<string | undefined> {
    const id = await (lookUp as NonNullable<typeof lookUp>)(email)
    known.set(email, { id }, { ttl: id === undefined ? MISS_KEPT_MS : FOUND_KEPT_MS })
    return id
  }

  function underWay (email: string): Promise<string | undefined> | undefined {
    const already = asking.get(email)
    if (already !== undefined || asking.size >= MAX_ASKING || !trust.mayAsk(asking.size)) return already
    const answer = ask(email)
    asking.set(email, answer)
    return answer
  }

  return {
    idOf (email) {
      const last = learnt.idOf(email)
      const found = known.get(email)
      if (found !== undefined) return found.id ?? last
      return underWay(email)?.then((id) => id ?? last) ?? last
    },
    learn (email, id) {
      learnt.learn(email, id)
      // Whoever has just signed in is newer than what we were told before.
      known.delete(email)
    },
  }
}

interface Answer { readonly id: string | undefined }

interface Trust {
  /** @param asking questions under way. */
  mayAsk (asking: number): boolean
  kept (): void
  failed (error: unknown): void
}

/** After failures in a row nobody is asked for a while, then one sign-in tries. */
function createTrust (clock: Clock, log: Log): Trust {
  let failures = 0
  let restsUntil = 0
  return {
    mayAsk: (asking) => failures < FAILURES_UNTIL_REST || (clock() >= restsUntil && asking === 0),
    kept () {
      if (failures >= FAILURES_UNTIL_REST) log.info({}, 'accounts can be looked up by e-mail again')
      failures = 0
    },
    failed (error) {
      failures++
      restsUntil = clock() + REST_MS
      if (failures !== FAILURES_UNTIL_REST) return
      const reason = error instanceof Error ? error.message : String(error)
      log.warn({ reason }, 'accounts cannot be looked up by e-mail: only those that signed in lately are known')
    },
  }
}

async function within<Value> (ms: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  // A failure after the deadline is nobody's any more.
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
