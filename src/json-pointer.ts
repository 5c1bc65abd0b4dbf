/** JSON pointers (RFC 6901), taken apart once and followed through a document's own members only. */

/** A `~` that begins neither `~0` nor `~1`. */
const malformed = /~(?![01])/
/** How a pointer names an element of an array; nothing else leads into one. */
const arrayIndex = /^(?:0|[1-9]\d*)$/

/** Takes `/a/b~1c` apart; `''` is the whole document. Undefined: not a pointer. */
export function parsePointer (text: string): readonly string[] | undefined {
  if (text === '') return []
  if (!text.startsWith('/') || malformed.test(text)) return undefined
  return text.slice(1).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The value that a pointer leads to; undefined where there is none. Never throws, never sees inherited properties. */
export function followPointer (document: unknown, pointer: readonly string[]): unknown {
  let value = document
  for (const part of pointer) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    if (Array.isArray(value) && !arrayIndex.test(part)) return undefined
    value = Reflect.get(value, part)
  }
  return value
}
