import {
  cutAtParameter, cutAtQuery, cutParameters, decodeAll, decodeSegments, decodeUnreserved, dropBlanks, mergeSlashes,
  resolveDots, resolvePlainDots, trimSlashes, turnBackslashes, withoutHost, type Transform,
} from './path-transforms.js'

/**
 * Two backends need not read one path alike: Express routes on the path as sent, Fastify decodes it, Tomcat cuts
 * `;jsessionid=…`, `new URL(…)` resolves dots and takes `//name` for a host. A spelling must not slip through between
 * our reading and theirs, so we take all of them.
 */

/** Real clients need a handful. A path with more is built to have them, and is answered 400. */
const maxReadings = 64
/** All readings together, in characters: bounds the work that one long path can cause. */
const maxCharacters = 16 * 1024

/** What makes a path ambiguous: escapes, parameters, empty or dot segments, a trailing slash. */
const ambiguous = /^(?!\/)|[%;\\?#]|\/[/.]|.\/$/

/** Each is tried on the outcome of every other, so that every order is read. */
const transforms: readonly Transform[] = [
  trimSlashes, mergeSlashes, resolveDots, resolvePlainDots, cutParameters, cutAtParameter,
]
/** What makes sense only once escapes are gone: a path as sent has none of these characters. */
const decodedTransforms: readonly Transform[] = [...transforms, turnBackslashes, cutAtQuery, dropBlanks]
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

/** Adds what the transforms make of the readings, until nothing new comes; false: too many. */
function close (readings: Set<string>, steps: readonly Transform[]): boolean {
  // A Set's iteration also visits what is added on the way.
  for (const reading of readings) {
    for (const step of steps) readings.add(step(reading))
    // None is longer than the path that it was made of, so that their number and its length bound the work.
    if (readings.size > maxReadings || readings.size * reading.length > maxCharacters) return false
  }
  return true
}

function addDecoded (path: string, decoded: Set<string>): void {
  decoded.add(path).add(withoutHost(turnBackslashes(path)))
}
