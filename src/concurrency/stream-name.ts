import type { Target } from '../policy/target.js'

/** Spellings that a backend may read as another path than we do. */
const ambiguous = /\/\/|[;\\]|\/\.{1,2}(?:\/|$)|%(?:00|25|2e|2f|3b|5c)/i

/**
 * The stream's id as the backend reads it from a path parameter, or undefined when path or parameter leave any doubt:
 * whoever spells oddly must not make the end of one stream free the slot of another.
 */
export function streamNameOf (target: Target, param: string | undefined): string | undefined {
  if (param === undefined || param === '' || ambiguous.test(target.path)) return undefined
  try {
    return target.path.split('/').includes(param) ? decodeURIComponent(param) : undefined
  } catch {
    return undefined
  }
}
