import type { IncomingMessage, ServerResponse } from 'node:http'
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose'
import { startBackend, type Teardown } from '../helpers/backends.js'

export interface Issuer {
  /** As it stands in `discovery`. */
  readonly url: string
  readonly jwksUri: string
  /** What the test changes of it, and how often it was asked. */
  readonly state: {
    /** The discovery document beside its usual members. */
    document: Record<string, unknown>
    keys: JWK[]
    discoveries: number
    keySets: number
    /** Answers in its place. */
    answer: ((response: ServerResponse, request: IncomingMessage) => void) | undefined
  }
  /** The RSA public key as PEM, as anybody can see it. */
  readonly jwk: JWK
  /** A token that lives an hour from `now` (epoch ms). */
  sign (claims: object, header?: object): Promise<string>
}

/** A real OpenID Connect issuer with an RS256 key of its own, on 127.0.0.1. */
export async function startIssuer (t: Teardown, { now = Date.now(), kid = 'one', path = '' } = {}): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk: JWK = { ...await exportJWK(publicKey), kid, use: 'sig', alg: 'RS256' }
  const state: Issuer['state'] = { document: {}, keys: [jwk], discoveries: 0, keySets: 0, answer: undefined }
  const server = await startBackend(t, (request, response) => {
    const isKeys = request.url === `${path}/jwks`
    if (isKeys) state.keySets += 1
    else state.discoveries += 1
    if (state.answer !== undefined) return state.answer(response, request)
    if (isKeys) return json(response, { keys: state.keys })
    if (request.url !== `${path}/.well-known/openid-configuration`) return response.writeHead(404).end()
    json(response, { issuer: url, jwks_uri: `${url}/jwks`, ...state.document })
  })
  const url = server.url + path
  const exp = Math.floor(now / 1000) + 3600
  return {
    url,
    jwksUri: `${url}/jwks`,
    state,
    jwk,
    sign: (claims, header = {}) => new SignJWT({ iss: url, exp, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid, ...header }).sign(privateKey),
  }
}

export function json (response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
}
