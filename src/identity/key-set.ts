import { compactVerify, createRemoteJWKSet, customFetch, errors, type RemoteJWKSet } from 'jose'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'

const FETCH_TIMEOUT_MS = 3_000
/** Keys are asked for again after so long, beside the requests that go on with the known ones. */
const REFRESH_MS = 10 * 60_000
/** Keys that could not be confirmed for so long are no longer believed. */
const MAX_STALE_MS = 24 * 3_600_000
/** Tokens with made-up key ids must not make us ask more often than so. */
const COOLDOWN_MS = 30_000
const RETRY_MS = 10_000
/** Keys that are tried for a token which does not say its key. */
const MAX_CANDIDATES = 8

export type Fetch = (url: string, options: RequestInit) => Promise<Response>

export interface KeySetOptions {
  readonly url: string
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn'>
  readonly fetch: Fetch | undefined
}

/** The public keys of an issuer: fetched on first use, kept, renewed, and found anew when a token names an unknown one. */
export interface KeySet {
  /** @returns true when the signature is by one of the keys, with that algorithm. Never rejects. */
  verify (token: string, algorithm: string): Promise<boolean>
}

/** @throws TypeError when the URL is none. */
export function createKeySet (options: KeySetOptions): KeySet {
  const { url, clock, fetch } = options
  // Its own timing is switched off: it would neither go on with known keys while the issuer is away,
  // nor pause between attempts, and it does not use our clock.
  const remote = createRemoteJWKSet(new URL(url), {
    timeoutDuration: FETCH_TIMEOUT_MS,
    cooldownDuration: Infinity,
    cacheMaxAge: Infinity,
    ...(fetch === undefined ? {} : { [customFetch]: fetch }),
  })
  const refresher = createRefresher(remote, options)

  return {
    async verify (token, algorithm) {
      const ageMs = clock() - refresher.loadedAt()
      if (ageMs > MAX_STALE_MS) {
        if (!(await refresher.refresh())) return false
      } else if (ageMs > REFRESH_MS) refresher.refreshBeside()
      const found = await tryKeys(remote, token, algorithm)
      if (found !== 'unknown key') return found
      return await refresher.refresh() && await tryKeys(remote, token, algorithm) === true
    },
  }
}

/** One fetch at a time, a pause after each, and one word in the log when the issuer goes away and when it is back. */
function createRefresher (remote: RemoteJWKSet, { url, clock, log }: KeySetOptions) {
  const source = withoutSecrets(url)
  let loadedAt = -Infinity
  let notBefore = -Infinity
  let failing = false
  let pending: Promise<boolean> | undefined

  const fetchKeys = async (): Promise<boolean> => {
    try {
      await remote.reload()
      loadedAt = clock()
      notBefore = loadedAt + COOLDOWN_MS
      if (failing) log.info({ jwks: source }, 'the key set can be reached again')
      failing = false
    } catch (error) {
      notBefore = clock() + RETRY_MS
      if (!failing) log.warn({ jwks: source, reason: reasonOf(error) }, 'the key set cannot be fetched: tokens whose key is not known yet name nobody')
      failing = true
    }
    return !failing
  }
  /** @returns true when the keys are new. Never rejects. */
  const refresh = async (): Promise<boolean> => {
    if (pending === undefined && clock() < notBefore) return false
    pending ??= fetchKeys().finally(() => { pending = undefined })
    return pending
  }
  return { refresh, refreshBeside: () => { refresh().catch(() => {}) }, loadedAt: () => loadedAt }
}

async function tryKeys (remote: RemoteJWKSet, token: string, algorithm: string): Promise<boolean | 'unknown key'> {
  const options = { algorithms: [algorithm] }
  try {
    await compactVerify(token, remote, options)
    return true
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return 'unknown key'
    return error instanceof errors.JWKSMultipleMatchingKeys && await tryEach(error, token, options)
  }
}

async function tryEach (keys: errors.JWKSMultipleMatchingKeys, token: string, options: { algorithms: string[] }) {
  let tried = 0
  try {
    for await (const key of keys) {
      if (await compactVerify(token, key, options).then(() => true, () => false)) return true
      if (++tried === MAX_CANDIDATES) return false
    }
  } catch {
    // A key of the set that cannot be imported: those before it did not fit.
  }
  return false
}

function withoutSecrets (text: string): string {
  const url = new URL(text)
  return url.origin + url.pathname
}

function reasonOf (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
