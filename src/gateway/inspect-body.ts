import type { FaultCode } from '../errors.js'
import type { Exchange } from '../exchange.js'
import { beginsLikeJson, readInspectedBody } from '../prompt/prompt.js'
import { plainBody } from './body-text.js'
import { isForm } from './parse-body.js'

const TYPE = 'content-type'
const BRACKET = /[[\]]/

/**
 * Reads a body in which prompts stand, and nothing that the backend could read otherwise: what is inspected must be
 * what it gets to see. The bytes themselves stay as they came. Answers why that cannot be.
 */
export async function inspectBody (exchange: Exchange, body: Buffer): Promise<FaultCode | undefined> {
  if (hasSeveralTypes(exchange.rawHeaders)) return 'MALFORMED_REQUEST'
  const plain = await plainBody(exchange)
  if (typeof plain === 'string') return plain
  const isCoded = plain !== body
  if (isCoded && beginsLikeJson(body)) return 'MALFORMED_REQUEST'
  const read = await readInspectedBody(plain, exchange.headers[TYPE])
  if (typeof read === 'string') return read
  // Many backends do not know codings and read the bytes as they came: only JSON cannot be both.
  if (isCoded && (read.json === undefined || read.fields !== undefined)) return 'UNSUPPORTED_ENCODING'
  exchange.json = read.json
  exchange.fields = read.fields
  exchange.form = read.fields !== undefined && isForm(exchange.headers) ? singleTexts(read.fields) : undefined
  return undefined
}

/**
 * The same for a body that says who signs in. Names with brackets, which backends put together in ways of their own
 * (`[email]` is `email` to Express), have no place there.
 */
export async function inspectSignIn (exchange: Exchange, body: Buffer): Promise<FaultCode | undefined> {
  const fault = await inspectBody(exchange, body)
  if (fault !== undefined) return fault
  for (const name of exchange.fields?.keys() ?? []) if (BRACKET.test(name)) return 'MALFORMED_REQUEST'
  return undefined
}

function singleTexts (fields: NonNullable<Exchange['fields']>): Readonly<Record<string, string>> {
  return Object.fromEntries([...fields].flatMap(([name, [text = '', ...more]]) => more.length === 0 ? [[name, text]] : []))
}

/** Node keeps the first; a backend may keep the last. */
function hasSeveralTypes (rawHeaders: readonly string[]): boolean {
  let types = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === TYPE) types++
  return types > 1
}
