/** The target of a request, taken apart once. */
export interface Target {
  /** Origin-form as it is forwarded: path and query in the client's own spelling. */
  readonly raw: string
  /** Path as sent: never decoded, starts with `/`. */
  readonly path: string
  /** Query as sent, without the `?`; empty when there is none. */
  readonly query: string
  /** Authority of an absolute-form target: it outranks the Host header. */
  readonly authority: string | undefined
}

/** Printable ASCII without `#`: a target has no fragment, and old parsers would cut it there. */
const printable = /^[\x21\x22\x24-\x7e]+$/
const absoluteForm = /^https?:\/\/([^/?]*)(.*)$/i
/** Name or address and port. No userinfo, no escapes, nothing that two parsers could read differently. */
const authorityForm = /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[0-9]{0,5})?$/i

/**
 * Takes the request line's target apart; undefined: malformed, to be answered 400.
 * The asterisk-form and the authority-form are malformed here, since neither is ever forwarded.
 */
export function parseTarget (url: string): Target | undefined {
  if (!printable.test(url)) return undefined
  if (url.charCodeAt(0) === 0x2f) return splitOriginForm(url, undefined)
  const [, authority = '', rest = ''] = absoluteForm.exec(url) ?? []
  if (!authorityForm.test(authority)) return undefined
  return splitOriginForm(rest.startsWith('/') ? rest : `/${rest}`, authority)
}

function splitOriginForm (raw: string, authority: string | undefined): Target | undefined {
  const mark = raw.indexOf('?')
  const path = mark === -1 ? raw : raw.slice(0, mark)
  if (!isSoundPath(path)) return undefined
  return { raw, path, query: mark === -1 ? '' : raw.slice(mark + 1), authority }
}

/** Backslashes are separators to some backends and letters to others; broken escapes and NUL cut paths short. */
function isSoundPath (path: string): boolean {
  if (path.includes('\\')) return false
  if (!path.includes('%')) return true
  if (path.includes('%00')) return false
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
