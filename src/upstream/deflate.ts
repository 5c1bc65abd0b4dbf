/**
 * Compression on WebSockets whose messages are looked at (RFC 7692). Client and backend agree on it as if nobody stood
 * between them; we only have to undo what the client compresses. Extensions that we cannot undo are not offered.
 */
import { PerMessageDeflate, extension } from './ws-parts.js'

const FIELD = 'sec-websocket-extensions'
const { extensionName } = PerMessageDeflate

/** The handshake's headers with no other offers than those of compression. */
export function offerDeflateOnly (headers: readonly string[]): string[] {
  const kept: string[] = []
  const offers: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const value = headers[i + 1] ?? ''
    if (name.toLowerCase() === FIELD) offers.push(value)
    else kept.push(name, value)
  }
  const offer = deflateOffer(offers.join(','))
  if (offer !== undefined) kept.push('Sec-WebSocket-Extensions', offer)
  return kept
}

/**
 * What undoes the client's compression, as the backend's answer settled it; undefined: nothing is compressed.
 * @throws when the backend chose what it was not offered.
 */
export function acceptDeflate (answer: string | undefined, maxPayload: number): PerMessageDeflate | undefined {
  if (answer === undefined) return undefined
  const { [extensionName]: chosen, ...others } = extension.parse(answer)
  if (chosen?.length !== 1 || Object.keys(others).length > 0) {
    throw new Error('the backend chose an extension that it was not offered')
  }
  const deflate = new PerMessageDeflate({ isServer: true, maxPayload })
  deflate.accept(chosen)
  return deflate
}

/** Undefined: there is none, or the field is malformed. */
function deflateOffer (field: string): string | undefined {
  try {
    const { [extensionName]: offers } = extension.parse(field)
    return offers === undefined ? undefined : extension.format({ [extensionName]: offers })
  } catch {
    return undefined
  }
}
