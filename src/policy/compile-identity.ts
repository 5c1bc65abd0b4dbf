import type { GroupPlaceDocument } from '../config/condition-schema.js'
import type { IdentityDocument } from '../config/schema.js'
import type {
  AliasRules, CredentialPlace, GroupPlace, IdentitySource, JwtAlgorithm, JwtRules, SecretHeader,
} from '../identity/contract.js'
import { issuerOf, sourceFault } from '../identity/identity.js'
import { pointerOf } from './pointers.js'
import type { DocumentPath, Report } from './compile.js'
import { compileConditions } from './compile-conditions.js'
import { checkNetworks } from './networks.js'

const SYMMETRIC: readonly JwtAlgorithm[] = ['HS256', 'HS384', 'HS512']
const ASYMMETRIC: readonly JwtAlgorithm[] =
  ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const ALGORITHMS = [...SYMMETRIC, ...ASYMMETRIC]
const PLACES = 'header:NAME, header:NAME:bearer, cookie:NAME, query:NAME, path:NAME, body:/json/pointer or address'

interface Findings {
  /** Where the sources stand in the document. */
  readonly path: DocumentPath
  readonly report: Report
  readonly warnings: string[]
}

/**
 * Makes runnable sources. One that is switched off stays out; so does one whose secret, key set or audience is not
 * given (a variable that is unset), with a warning.
 */
export function compileIdentity (
  entries: readonly IdentityDocument[] = [], { path, report, warnings }: Findings
): IdentitySource[] {
  return entries.flatMap((entry, index) => {
    const written = sourceOf(entry, [...path, index], report)
    if (entry.enabled === false) return []
    const source = withUsableAlias(entry, written, warnings)
    const missing = missingOf(entry, source)
    if (missing !== undefined) {
      warnings.push(`identity source ${entry.from.join(', ')} is inactive: its ${missing} is not set`)
      return []
    }
    const fault = sourceFault(source)
    const isNamed = entry.jwt?.algorithms === undefined || entry.jwt.algorithms.length === source.jwt?.algorithms.length
    if (fault !== undefined && isNamed) report([...path, index], Object.keys(entry).join(', '), `a source that can be verified: ${fault}`)
    return [source]
  })
}

/** A source is good without its alias: people then go by the name that their tokens say. */
function withUsableAlias ({ alias }: IdentityDocument, source: IdentitySource, warnings: string[]): IdentitySource {
  if (alias === undefined || missingOf(alias, source.alias) === undefined) return source
  warnings.push(`the alias ${alias.from.join(', ')} is inactive: its secret is not set`)
  return { ...source, alias: undefined }
}

function sourceOf (entry: IdentityDocument, path: DocumentPath, report: Report): IdentitySource {
  checkNetworks(entry.trustedPeers ?? [], [...path, 'trustedPeers'], report)
  return {
    from: placesOf(entry.from, [...path, 'from'], report),
    jwt: entry.jwt === undefined ? undefined : jwtOf(entry.jwt, [...path, 'jwt'], report),
    apiKey: entry.apiKey === undefined ? undefined : { pattern: entry.apiKey.pattern },
    trustedPeers: entry.trustedPeers,
    secretHeader: entry.secretHeader === undefined
      ? undefined
      : secretHeaderOf(entry.secretHeader),
    guest: entry.guest ?? false,
    group: (entry.group ?? []).flatMap((place, i) => groupPlaceOf(place, [...path, 'group', i], report)),
    alias: entry.alias === undefined ? undefined : aliasOf(entry.alias, [...path, 'alias'], report),
  }
}

function secretHeaderOf ({ name, value, required = false }: NonNullable<IdentityDocument['secretHeader']>): SecretHeader {
  return { name: name.toLowerCase(), value, required }
}

function groupPlaceOf (written: GroupPlaceDocument, path: DocumentPath, report: Report): GroupPlace[] {
  if (typeof written === 'string') return placesOf([written], path, report)
  const { from, unless } = written
  const [place] = placesOf([from], [...path, 'from'], report)
  if (place === undefined) return []
  if (unless === undefined) return [place]
  if (place.in !== 'body') report([...path, 'from'], JSON.stringify(from), 'body:/json/pointer beside unless, which looks at the body')
  return [{ ...place, unless: compileConditions(unless, [...path, 'unless'], report) }]
}

function aliasOf ({ from, jwt }: NonNullable<IdentityDocument['alias']>, path: DocumentPath, report: Report): AliasRules {
  return { from: placesOf(from, [...path, 'from'], report), jwt: jwtOf(jwt, [...path, 'jwt'], report) }
}

function placesOf (texts: readonly string[] = [], path: DocumentPath, report: Report): CredentialPlace[] {
  return texts.flatMap((text) => placeOf(text, path, report) ?? [])
}

/**
 * What an unset variable left open; undefined: nothing. An issuer signs for many clients, so that without an audience
 * the token of any of them would name a user here (reference librechat.md §6).
 */
function missingOf (
  { jwt: entry }: Pick<IdentityDocument, 'jwt'>, { jwt }: { readonly jwt?: JwtRules | undefined } = {}
): string | undefined {
  if (entry === undefined || jwt === undefined) return undefined
  if (jwt.secret === undefined && jwt.jwks === undefined && jwt.discovery === undefined) {
    return entry.audience === undefined && entry.qualified === undefined ? 'secret' : 'issuer'
  }
  const needsAudience = jwt.discovery !== undefined || entry.audience !== undefined
  return needsAudience && jwt.audience.length === 0 ? 'audience' : undefined
}

function jwtOf (entry: NonNullable<IdentityDocument['jwt']>, path: DocumentPath, report: Report): JwtRules {
  const isPublic = entry.jwks !== undefined || entry.discovery !== undefined
  const algorithms = entry.algorithms ?? (isPublic ? ['RS256'] : ['HS256'])
  for (const name of algorithms) {
    if (!ALGORITHMS.includes(name as JwtAlgorithm)) {
      report([...path, 'algorithms'], JSON.stringify(name), `one of ${ALGORITHMS.join(', ')}`, ALGORITHMS)
    }
  }
  return {
    algorithms: ALGORITHMS.filter((name) => algorithms.includes(name)),
    secret: entry.secret,
    jwks: entry.jwks,
    discovery: entry.discovery,
    issuer: entry.issuer ?? (entry.discovery === undefined ? undefined : issuerOf(entry.discovery)),
    audience: entry.audience ?? [],
    claim: entry.claim ?? 'sub',
    qualified: entry.qualified ?? false,
  }
}

function placeOf (text: string, path: DocumentPath, report: Report): CredentialPlace | undefined {
  const [where, name, scheme, ...rest] = text.split(':')
  if (text === 'address') return { in: 'address' }
  if (where === 'body' && name?.startsWith('/') && scheme === undefined) {
    return { in: 'body', pointer: pointerOf(name, path, report) }
  }
  if (name !== undefined && name !== '' && rest.length === 0) {
    if (where === 'header' && (scheme === undefined || scheme === 'bearer')) {
      return { in: 'header', name: name.toLowerCase(), scheme }
    }
    if ((where === 'cookie' || where === 'query' || where === 'path') && scheme === undefined) return { in: where, name }
  }
  report(path, JSON.stringify(text), PLACES)
  return undefined
}
