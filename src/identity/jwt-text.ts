import { isMap } from '../json-value.js'
import type { JwtAlgorithm } from './contract.js'

/** Longer than any head that is let in. */
const MAX_TOKEN = 65_536
const MAX_HEADER = 8_192
const BASE64URL = /^[A-Za-z0-9_-]+$/

/** A token taken apart, nothing of it verified. */
export interface TokenText {
  /** The signed part: header, dot, payload. */
  readonly signed: string
  readonly payload: string
  readonly signature: Buffer
  readonly algorithm: JwtAlgorithm
}

/**
 * Takes a token apart when its header names one of the pinned algorithms and asks for no extension (`crit`).
 * The signed parts must be plain base64url. The signature, which nobody signs, is read as tolerantly as any
 * backend might: only its bytes count, or a banned user could hide behind a stray `=`.
 */
export function parseToken (token: string, algorithms: readonly JwtAlgorithm[]): TokenText | undefined {
  if (token.length > MAX_TOKEN) return undefined
  const [header, payload, signature, more] = token.split('.', 4)
  if (header === undefined || payload === undefined || signature === undefined || more !== undefined) return undefined
  if (header.length > MAX_HEADER || signature === '') return undefined
  const fields = decodeObject(header)
  if (fields === undefined || Object.hasOwn(fields, 'crit') || Object.hasOwn(fields, 'b64')) return undefined
  const algorithm = Object.hasOwn(fields, 'alg') ? algorithms.find((known) => known === fields.alg) : undefined
  if (algorithm === undefined) return undefined
  return { signed: `${header}.${payload}`, payload, signature: Buffer.from(signature, 'base64url'), algorithm }
}

/** A base64url part that holds a JSON object. Of repeated keys the last counts, as in every common library. */
export function decodeObject (part: string): Readonly<Record<string, unknown>> | undefined {
  if (!BASE64URL.test(part)) return undefined
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(part, 'base64url')))
    return isMap(value) ? value : undefined
  } catch {
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })
