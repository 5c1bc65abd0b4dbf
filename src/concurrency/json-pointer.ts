/** JSON pointers (RFC 6901), taken apart once and followed through own properties only. */

/** Takes `/a/b~1c` apart. `''` is the whole document. Throws a TypeError on anything that is not a pointer. */
export function parsePointer (pointer: string): readonly string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/') || /~(?![01])/.test(pointer)) throw new TypeError(`not a JSON pointer: ${pointer}`)
  return pointer.slice(1).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The value a pointer leads to; undefined where there is none. Never throws, never sees inherited properties. */
export function followPointer (document: unknown, pointer: readonly string[]): unknown {
  let value = document
  for (const part of pointer) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    if (Array.isArray(value) && part === 'length') return undefined
    value = Reflect.get(value, part)
  }
  return value
}

/** Parses JSON from anywhere; undefined when it is none (JSON has no undefined of its own). */
export function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
