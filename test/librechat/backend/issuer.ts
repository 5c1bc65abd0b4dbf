import type { Test } from 'tap'
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import { startBackend } from '../../helpers/backends.js'

const clientId = 'hanzo-chat'

/** The OpenID provider in front of Hanzo Chat (reference librechat.md §6). */
export interface Issuer {
  readonly url: string
  readonly clientId: string
  /** An RS256 token of this person. */
  token (sub: string, claims?: Record<string, unknown>): Promise<string>
  /** The person whom a token names for this app; undefined: nobody. */
  read (token: string): Promise<string | undefined>
}

export async function startIssuer (t: Test): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const keys = { keys: [{ ...await exportJWK(publicKey), kid: 'one', alg: 'RS256', use: 'sig' }] }
  const local = createLocalJWKSet(keys)
  const { url } = await startBackend(t, (request, response) => {
    const isDiscovery = request.url === '/.well-known/openid-configuration'
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(isDiscovery ? { issuer: url, jwks_uri: `${url}/jwks` } : keys))
  })
  return {
    url,
    clientId,
    token: (sub, claims = {}) => new SignJWT({ aud: clientId, email: `${sub}@example.com`, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid: 'one' }).setSubject(sub).setIssuer(url)
      .setIssuedAt().setExpirationTime('1h').sign(privateKey),
    read: (token) => jwtVerify(token, local, { algorithms: ['RS256'], issuer: url, audience: clientId })
      .then(({ payload }) => payload.sub, () => undefined),
  }
}
