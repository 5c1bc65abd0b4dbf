/** The version of what stands in Redis: two versions of ours never read each other's keys by mistake. */
const NAMESPACE = 'portcullis:1:'
// Braces would end a tag early, a lone half of a surrogate pair has no bytes of its own; `%` keeps the writing unique.
const UNSAFE = /[%{}\p{Cs}]/gu
const UNSAFE_REST = /[%\p{Cs}]/gu
const BRACES = /[{}]/g

/** Names keys: see `RedisLink.key`. */
export type NameKey = (tag: string, rest: string) => string

/**
 * The naming of keys behind a prefix. Whatever stands in prefix, tag or rest: keys of one tag share a slot, and no two
 * pairs of tag and rest share a name.
 */
export function createKeys (prefix: string): NameKey {
  const head = `${harmless(prefix)}${NAMESPACE}{`
  return (tag, rest) => `${head}${tag.replace(UNSAFE, percent)}}${rest.replace(UNSAFE_REST, percent)}`
}

/**
 * Redis hashes what stands between the first brace and the next closing one. A tag in the prefix is the operator's
 * wish (everything on one node), half a tag joins ours, but an empty one would scatter a subject's keys.
 */
function harmless (prefix: string): string {
  const open = prefix.indexOf('{')
  return open !== -1 && prefix[open + 1] === '}' ? prefix.replace(BRACES, percent) : prefix
}

function percent (character: string): string {
  return `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}
