/** What backends do to a path before they route it, one function each. None ever empties a path. */
export type Transform = (path: string) => string

const beyondAscii = /[^ -~]/

/**
 * Letter case taken off, generously: whatever any backend's case-insensitive comparison takes for equal.
 * Never changes the number of slashes.
 */
export function fold (text: string): string {
  // Upper case first finds the long s, the dotless i and ligatures as well.
  return beyondAscii.test(text) ? text.toUpperCase().toLowerCase() : text.toLowerCase()
}

/** `new URL('//name/path', base)` takes the first name for a host. */
export function withoutHost (path: string): string {
  return path.startsWith('//') ? orRoot(path.replace(/^\/+[^/]*/, '')) : path
}

export function trimSlashes (path: string): string {
  let end = path.length
  while (end > 1 && path.charCodeAt(end - 1) === 0x2f) end--
  return path.slice(0, end)
}

/**
 * The first run of slashes only, since Express 4 swallows a doubled slash where a router is mounted and none behind it.
 * Repeated, it merges them all.
 */
export function mergeSlashes (path: string): string {
  return path.replace(/\/{2,}/, '/')
}

/** As `new URL` does it: `%2e` is a dot, empty segments count. */
export function resolveDots (path: string): string {
  return /\/(?:\.|%2e)/i.test(path) ? resolve(path, (segment) => segment.replace(/%2e/gi, '.')) : path
}

export function resolvePlainDots (path: string): string {
  return path.includes('/.') ? resolve(path, (segment) => segment) : path
}

function resolve (path: string, spell: Transform): string {
  const kept: string[] = []
  const segments = path.split('/').slice(1)
  for (const [index, segment] of segments.entries()) {
    // No dot segment is longer than `%2e%2e`.
    const name = segment.length <= 6 ? spell(segment) : segment
    if (name === '..') kept.pop()
    else if (name !== '.') kept.push(segment)
    if (index === segments.length - 1 && (name === '..' || name === '.')) kept.push('')
  }
  return `/${kept.join('/')}`
}

/** `/a;x=1/b` → `/a/b`, as servlet containers read it. */
export function cutParameters (path: string): string {
  return path.replace(/;[^/]*/g, '')
}

/** `/a;x=1/b` → `/a`, as Fastify's `useSemicolonDelimiter` reads it. */
export function cutAtParameter (path: string): string {
  const mark = path.indexOf(';')
  return mark === -1 ? path : orRoot(path.slice(0, mark))
}

export function decodeAll (path: string): string {
  return decodeURIComponent(path)
}

/** As find-my-way looks for static parts: reserved characters and the percent sign stay escaped. */
export function decodeUnreserved (path: string): string {
  return decodeURI(path.replaceAll('%25', '%2525'))
}

/** As routers do that split first and decode each segment. */
export function decodeSegments (path: string): string {
  return decodeURIComponent(path.replace(/%2f/gi, '%252F'))
}

export function turnBackslashes (path: string): string {
  return path.replaceAll('\\', '/')
}

/** A path that is decoded and then parsed again ends at a question mark. */
export function cutAtQuery (path: string): string {
  const mark = path.search(/[?#]/)
  return mark === -1 ? path : orRoot(path.slice(0, mark))
}

/**
 * `$` of a Python pattern matches before a last line feed: FastAPI routes `/message%0a` to `/message`. And `new URL`,
 * given a decoded path, drops tabs and line ends anywhere and blanks at the end.
 */
export function dropBlanks (path: string): string {
  const joined = path.replace(/[\t\n\r]/g, '')
  let end = joined.length
  while (end > 1 && joined.charCodeAt(end - 1) <= 0x20) end--
  return joined.slice(0, end)
}

function orRoot (path: string): string {
  return path === '' ? '/' : path
}
