import { memberOf } from '../json-value.js'
import { fetchJson, type FetchJsonOptions } from './fetch-json.js'
import { withoutSlash } from './jwt-claims.js'

const WELL_KNOWN = '/.well-known/openid-configuration'

/** The issuer that a setting names, without a trailing slash. Some write the address of its document instead. */
export function issuerOf (text: string): string {
  return withoutSlash(text.endsWith(WELL_KNOWN) ? text.slice(0, -WELL_KNOWN.length) : text)
}

/** What is wrong with the setting; undefined: nothing. */
export function discoveryFault (text: string): string | undefined {
  const url = URL.parse(issuerOf(text))
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === ''
  return isPlain ? undefined : 'discovery needs the http(s) URL of the issuer, without query'
}

/**
 * Asks an issuer where its key set is (OpenID Connect Discovery 1.0 §4). Rejects, and says why, when the document is
 * another issuer's, or names a place where somebody between it and us could put his own keys.
 */
export async function discoverKeySet (text: string, options: FetchJsonOptions): Promise<string> {
  const issuer = issuerOf(text)
  const document = await fetchJson(issuer + WELL_KNOWN, options)
  const said = textAt(document, 'issuer')
  if (said === undefined || withoutSlash(said) !== issuer) throw new Error('its discovery document names another issuer')
  const url = URL.parse(textAt(document, 'jwks_uri') ?? '')
  if (url === null || !(url.protocol === 'https:' || url.origin === new URL(issuer).origin)) {
    throw new Error('its jwks_uri is neither https nor at the issuer itself')
  }
  return url.href
}

function textAt (document: unknown, name: string): string | undefined {
  const value = memberOf(document, name)
  return typeof value === 'string' ? value : undefined
}
