/** One hop of a `Forwarded` header (RFC 7239). Values without their quotes; names are lower case. */
export interface ForwardedHop {
  readonly for: string | undefined
  readonly proto: string | undefined
  readonly host: string | undefined
}

const UNREADABLE: ForwardedHop = { for: undefined, proto: undefined, host: undefined }
/** A token may hold more here than RFC 7239 says: proxies forget the quotes around addresses with ports. */
const PAIR = /[ \t]*([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s",;=]*))[ \t]*/y

/**
 * The hops of one header field, in the order of the text, oldest first. A field that cannot be read
 * to its end counts as one unreadable hop: an open quote must not swallow or invent the hops behind it.
 */
export function parseForwarded (field: string): ForwardedHop[] {
  const hops: ForwardedHop[] = []
  let hop: Record<string, string> = Object.create(null)
  for (let position = 0; position < field.length;) {
    PAIR.lastIndex = position
    const pair = PAIR.exec(field)
    if (pair === null) return [UNREADABLE]
    const name = (pair[1] as string).toLowerCase()
    // A repeated name would let a client's value stand beside the proxy's.
    if (name in hop) return [UNREADABLE]
    hop[name] = pair[2]?.replace(/\\(.)/g, '$1') ?? pair[3] ?? ''
    position = PAIR.lastIndex
    const separator = field[position]
    if (separator !== undefined && separator !== ';' && separator !== ',') return [UNREADABLE]
    position += 1
    if (separator !== ';' || position === field.length) {
      hops.push({ for: hop.for, proto: hop.proto, host: hop.host })
      hop = Object.create(null)
    }
  }
  return hops.length === 0 ? [UNREADABLE] : hops
}
