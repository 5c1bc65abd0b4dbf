import type { IdentityDocument } from '../config/schema.js'
import type { CredentialPlace, IdentitySource, JwtAlgorithm, JwtRules } from '../identity/contract.js'
import { pointerOf } from './compile.js'
import type { DocumentPath, Report } from './compile.js'

const SYMMETRIC: readonly JwtAlgorithm[] = ['HS256', 'HS384', 'HS512']
const ASYMMETRIC: readonly JwtAlgorithm[] =
  ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const ALGORITHMS = [...SYMMETRIC, ...ASYMMETRIC]
const PLACES = 'header:NAME, header:NAME:bearer, cookie:NAME, query:NAME, path:NAME or body:/json/pointer'

/** Makes runnable sources. One whose secret or key set is not given (a variable that is unset) stays out, with a warning. */
export function compileIdentity (
  entries: readonly IdentityDocument[], report: Report, warnings: string[]
): IdentitySource[] {
  return entries.flatMap((entry, index) => {
    const path = ['identity', index]
    const places = (key: 'from' | 'group') => (entry[key] ?? []).flatMap((text) => placeOf(text, [...path, key], report) ?? [])
    const means = [entry.jwt, entry.apiKey, entry.trustedPeers, entry.secretHeader].filter((one) => one !== undefined)
    if (means.length !== 1) report(path, `${means.length} of them`, 'exactly one of jwt, apiKey, trustedPeers, secretHeader')
    const jwt = entry.jwt === undefined ? undefined : jwtOf(entry.jwt, [...path, 'jwt'], report)
    if (jwt !== undefined && jwt.secret === undefined && jwt.jwks === undefined) {
      warnings.push(`identity source ${entry.from.join(', ')} is inactive: its secret is not set`)
      return []
    }
    return [{
      from: places('from'),
      jwt,
      apiKey: entry.apiKey === undefined ? undefined : { pattern: entry.apiKey.pattern },
      trustedPeers: entry.trustedPeers,
      secretHeader: entry.secretHeader === undefined
        ? undefined
        : { name: entry.secretHeader.name.toLowerCase(), value: entry.secretHeader.value },
      group: places('group'),
    }]
  })
}

function jwtOf (entry: NonNullable<IdentityDocument['jwt']>, path: DocumentPath, report: Report): JwtRules {
  const algorithms = entry.algorithms ?? (entry.jwks === undefined ? ['HS256'] : ['RS256'])
  for (const name of algorithms) {
    if (!ALGORITHMS.includes(name as JwtAlgorithm)) {
      report([...path, 'algorithms'], JSON.stringify(name), `one of ${ALGORITHMS.join(', ')}`, ALGORITHMS)
    }
  }
  const known = ALGORITHMS.filter((name) => algorithms.includes(name))
  if (entry.secret !== undefined && entry.jwks !== undefined) {
    report(path, 'secret and jwks', 'one of them: a key set must never be able to stand in for a secret')
  }
  const family = entry.jwks === undefined ? SYMMETRIC : ASYMMETRIC
  const strange = known.filter((name) => !family.includes(name))
  if (strange.length > 0) {
    const expected = entry.jwks === undefined ? 'HS* algorithms with a secret' : 'no HS* algorithm with jwks'
    report([...path, 'algorithms'], strange.join(', '), expected)
  }
  return {
    algorithms: known,
    secret: entry.secret,
    jwks: entry.jwks,
    issuer: entry.issuer,
    audience: entry.audience ?? [],
    claim: entry.claim ?? 'sub',
  }
}

function placeOf (text: string, path: DocumentPath, report: Report): CredentialPlace | undefined {
  const [where, name, scheme, ...rest] = text.split(':')
  if (where === 'body' && name?.startsWith('/') && scheme === undefined) return { in: 'body', pointer: pointerOf(name) }
  if (name !== undefined && name !== '' && rest.length === 0) {
    if (where === 'header' && (scheme === undefined || scheme === 'bearer')) {
      return { in: 'header', name: name.toLowerCase(), scheme }
    }
    if ((where === 'cookie' || where === 'query' || where === 'path') && scheme === undefined) return { in: where, name }
  }
  report(path, JSON.stringify(text), PLACES)
  return undefined
}
