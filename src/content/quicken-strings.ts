/** V8 looks closer at what is done often. */
const TIMES = 1000

/**
 * Makes loops over the characters of texts five times as fast, where they have become slow: ioredis declares a class
 * that extends `String`, after which V8 keeps `String.prototype` as a dictionary and inlines `charCodeAt` no more. To
 * read a method through an object that inherits it brings the prototype back. Nothing else changes; without such a
 * class it does nothing. For whoever makes a check, since a check is made after everything is imported.
 */
export function quickenStrings (): void {
  const heir: { readonly charCodeAt?: unknown } = Object.create(String.prototype)
  for (let count = 0; count < TIMES; count++) readThrough(heir)
}

function readThrough (heir: { readonly charCodeAt?: unknown }): unknown {
  return heir.charCodeAt
}
