import { isUtf8 } from 'node:buffer'

const CONTROLS = /(?!\s)\p{Cc}/u

/** The text in these bytes; undefined where they are none: no UTF-8, or with controls in it. */
export function textIn (bytes: Buffer): string | undefined {
  if (bytes.length === 0 || !isUtf8(bytes)) return undefined
  const text = bytes.toString('utf8')
  return CONTROLS.test(text) ? undefined : text
}
