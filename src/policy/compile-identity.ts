import type { IdentityDocument } from '../config/schema.js'
import type { CredentialPlace, IdentitySource, JwtAlgorithm, JwtRules } from '../identity/contract.js'
import { sourceFault } from '../identity/identity.js'
import { pointerOf } from './pointers.js'
import type { DocumentPath, Report } from './compile.js'
import { checkNetworks } from './networks.js'

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
    const jwt = entry.jwt === undefined ? undefined : jwtOf(entry.jwt, [...path, 'jwt'], report)
    if (jwt !== undefined && jwt.secret === undefined && jwt.jwks === undefined) {
      warnings.push(`identity source ${entry.from.join(', ')} is inactive: its secret is not set`)
      return []
    }
    const source: IdentitySource = {
      from: places('from'),
      jwt,
      apiKey: entry.apiKey === undefined ? undefined : { pattern: entry.apiKey.pattern },
      trustedPeers: entry.trustedPeers,
      secretHeader: entry.secretHeader === undefined
        ? undefined
        : { name: entry.secretHeader.name.toLowerCase(), value: entry.secretHeader.value },
      group: places('group'),
    }
    checkNetworks(entry.trustedPeers ?? [], [...path, 'trustedPeers'], report)
    const fault = sourceFault(source)
    const isNamed = entry.jwt?.algorithms === undefined || entry.jwt.algorithms.length === jwt?.algorithms.length
    if (fault !== undefined && isNamed) report(path, Object.keys(entry).join(', '), `a source that can be verified: ${fault}`)
    return [source]
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
