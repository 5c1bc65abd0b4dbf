import { compactVerify, createLocalJWKSet, errors, type JSONWebKeySet } from 'jose'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import { discoverKeySet } from './discovery.js'
import { fetchJson, type Fetch } from './fetch-json.js'

/** For everything that one attempt has to fetch. */
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

export interface KeySetOptions {
  /** The URL of the key set, or the issuer whose discovery document names it: one of the two. */
  readonly jwks: string | undefined
  readonly discovery: string | undefined
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn'>
  readonly fetch: Fetch | undefined
}

/** The public keys of an issuer: fetched on first use, kept, renewed, and found anew when a token names an unknown one. */
export interface KeySet {
  /** @returns true when the signature is by one of the keys, with that algorithm. Never rejects. */
  verify (token: string, algorithm: string): Promise<boolean>
}

/** The keys as they were fetched last: finds the one that a token names. */
type Keys = ReturnType<typeof createLocalJWKSet>

/** @throws TypeError when the URL is none. */
export function createKeySet (options: KeySetOptions): KeySet {
  const { clock } = options
  const refresher = createRefresher(options)

  return {
    async verify (token, algorithm) {
      const ageMs = clock() - refresher.loadedAt()
      if (ageMs > MAX_STALE_MS) {
        if (!(await refresher.refresh())) return false
      } else if (ageMs > REFRESH_MS) refresher.refreshBeside()
      const found = await tryKeys(refresher.keys(), token, algorithm)
      if (found !== 'unknown key') return found
      return await refresher.refresh() && await tryKeys(refresher.keys(), token, algorithm) === true
    },
  }
}

/** One fetch at a time, a pause after each, and one word in the log when the issuer goes away and when it is back. */
function createRefresher (options: KeySetOptions) {
  const { clock, log } = options
  const source = withoutSecrets(options.jwks ?? options.discovery ?? '')
  let keys: Keys = createLocalJWKSet({ keys: [] })
  let loadedAt = -Infinity
  let notBefore = -Infinity
  let failing = false
  let pending: Promise<boolean> | undefined

  const fetchKeys = async (): Promise<boolean> => {
    try {
      keys = await loadKeys(options)
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
  return { refresh, refreshBeside: () => { refresh().catch(() => {}) }, loadedAt: () => loadedAt, keys: () => keys }
}

/** An issuer is asked for the place of its keys each time: it may move them. Rejects with what an operator should know. */
async function loadKeys ({ jwks, discovery, fetch }: KeySetOptions): Promise<Keys> {
  const options = { fetch, signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) }
  const url = jwks ?? await discoverKeySet(discovery ?? '', options)
  // The library looks at its shape before anything else.
  return createLocalJWKSet(await fetchJson(url, options) as JSONWebKeySet)
}

async function tryKeys (keys: Keys, token: string, algorithm: string): Promise<boolean | 'unknown key'> {
  const options = { algorithms: [algorithm] }
  try {
    await compactVerify(token, keys, options)
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
