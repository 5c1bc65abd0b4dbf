/**
 * Two backends need not read one path alike: Express routes on the path as sent, Fastify decodes it, Tomcat cuts
 * `;jsessionid=…`, `new URL(…)` resolves dots and takes `//name` for a host. A spelling must not slip through between
 * our reading and theirs, so we take all of them.
 */

/** Real clients need a handful. A path with more is built to have them, and is answered 400. */
const maxReadings = 256
/** All readings together, in characters: bounds the work that one long path can cause. */
const maxCharacters = 128 * 1024

/** What makes a path ambiguous: escapes, parameters, empty or dot segments, a trailing slash. */
const ambiguous = /^(?!\/)|[%;\\?#]|\/[/.]|.\/$/

const beyondAscii = /[^ -~]/

type Transform = (path: string) => string

/** Each is tried on the outcome of every other, so that every order is read. */
const transforms: readonly Transform[] = [
  trimSlashes, mergeSlashes, mergeFirstSlashes, resolveDots, resolvePlainDots, cutParameters, cutAtParameter,
]
/** What makes sense only once escapes are gone: a path as sent has none of these characters. */
const decodedTransforms: readonly Transform[] = [...transforms, cutAtQuery, dropBlanks]
const decoders: readonly Transform[] = [decodeAll, decodeUnreserved, decodeSegments]

/** True: every backend reads the path as it stands (letter case apart, which the route table sees to). */
export function isPlain (path: string): boolean {
  return !ambiguous.test(path)
}

/**
 * Every reading that a backend might take of a path: the path as sent first, each once, letter case kept.
 * Undefined: malformed, or more readings than any honest path has.
 */
export function readingsOf (path: string): readonly string[] | undefined {
  if (isPlain(path)) return [path]
  if (!path.startsWith('/')) return undefined
  const readings = new Set([path, withoutHost(path)])
  if (!close(readings, transforms)) return undefined
  if (!path.includes('%')) return [...readings]
  const decoded = new Set<string>()
  try {
    for (const reading of readings) for (const decode of decoders) addDecoded(decode(reading), decoded)
  } catch {
    return undefined
  }
  if (!close(decoded, decodedTransforms)) return undefined
  return [...new Set([...readings, ...decoded])]
}

/**
 * Letter case taken off, generously: whatever any backend's case-insensitive comparison takes for equal.
 * Never changes the number of slashes.
 */
export function fold (text: string): string {
  // Upper case first finds the long s, the dotless i and ligatures as well.
  return beyondAscii.test(text) ? text.toUpperCase().toLowerCase() : text.toLowerCase()
}

/** Adds what the transforms make of the readings, until nothing new comes; false: too many. */
function close (readings: Set<string>, steps: readonly Transform[]): boolean {
  let characters = 0
  // A Set's iteration also visits what is added on the way.
  for (const reading of readings) {
    characters += reading.length
    if (readings.size > maxReadings || characters > maxCharacters) return false
    for (const step of steps) readings.add(step(reading))
  }
  return true
}

function addDecoded (path: string, decoded: Set<string>): void {
  decoded.add(path).add(withoutHost(turnBackslashes(path)))
}

/** `new URL('//name/path', base)` takes the first name for a host. */
function withoutHost (path: string): string {
  return path.startsWith('//') ? orRoot(path.replace(/^\/+[^/]*/, '')) : path
}

function trimSlashes (path: string): string {
  let end = path.length
  while (end > 1 && path.charCodeAt(end - 1) === 0x2f) end--
  return path.slice(0, end)
}

function mergeSlashes (path: string): string {
  return path.replace(/\/{2,}/g, '/')
}

/** Express 4 swallows one doubled slash where a router is mounted and none behind it. */
function mergeFirstSlashes (path: string): string {
  return path.replace(/\/{2,}/, '/')
}

/** As `new URL` does it: `%2e` is a dot, empty segments count. */
function resolveDots (path: string): string {
  return /\/(?:\.|%2e)/i.test(path) ? resolve(path, (segment) => segment.replace(/%2e/gi, '.')) : path
}

function resolvePlainDots (path: string): string {
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
function cutParameters (path: string): string {
  return path.replace(/;[^/]*/g, '')
}

/** `/a;x=1/b` → `/a`, as Fastify's `useSemicolonDelimiter` reads it. */
function cutAtParameter (path: string): string {
  const mark = path.indexOf(';')
  return mark === -1 ? path : orRoot(path.slice(0, mark))
}

function decodeAll (path: string): string {
  return decodeURIComponent(path)
}

/** As find-my-way looks for static parts: reserved characters and the percent sign stay escaped. */
function decodeUnreserved (path: string): string {
  return decodeURI(path.replaceAll('%25', '%2525'))
}

/** As routers do that split first and decode each segment. */
function decodeSegments (path: string): string {
  return decodeURIComponent(path.replace(/%2f/gi, '%252F'))
}

function turnBackslashes (path: string): string {
  return path.replaceAll('\\', '/')
}

/** A path that is decoded and then parsed again ends at a question mark. */
function cutAtQuery (path: string): string {
  const mark = path.search(/[?#]/)
  return mark === -1 ? path : orRoot(path.slice(0, mark))
}

/**
 * `$` of a Python pattern matches before a last line feed: FastAPI routes `/message%0a` to `/message`. And `new URL`,
 * given a decoded path, drops tabs and line ends anywhere and blanks at the end.
 */
function dropBlanks (path: string): string {
  const joined = path.replace(/[\t\n\r]/g, '')
  let end = joined.length
  while (end > 1 && joined.charCodeAt(end - 1) <= 0x20) end--
  return joined.slice(0, end)
}

function orRoot (path: string): string {
  return path === '' ? '/' : path
}
