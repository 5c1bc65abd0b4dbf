/** Where the backend stands, taken out of `upstream.url` once. */
export interface Origin {
  readonly secure: boolean
  /** Name or address to dial, without brackets; `localhost` for a unix socket. */
  readonly hostname: string
  readonly port: number
  readonly socketPath: string | undefined
  /** `host[:port]` as it stands in a Host header. */
  readonly authority: string
  /** Put before every target; empty, or a path without its last slash. */
  readonly base: string
}

const UNIX = 'unix:'

/**
 * Reads `http://host:port[/base]`, `https://…` or `unix:/path.sock`.
 * @throws {TypeError} for anything else: configuration has been checked before.
 */
export function parseOrigin (url: string): Origin {
  if (url.startsWith(UNIX)) return unixOrigin(url.slice(UNIX.length))
  const parsed = new URL(url)
  const secure = parsed.protocol === 'https:'
  if (!secure && parsed.protocol !== 'http:') throw new TypeError(`not an upstream URL: ${url}`)
  return {
    secure,
    hostname: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: Number(parsed.port || (secure ? 443 : 80)),
    socketPath: undefined,
    authority: parsed.host,
    base: parsed.pathname.endsWith('/') ? parsed.pathname.slice(0, -1) : parsed.pathname,
  }
}

function unixOrigin (path: string): Origin {
  const socketPath = path.startsWith('//') ? path.slice(2) : path
  if (!socketPath.startsWith('/')) throw new TypeError(`not an absolute socket path: ${path}`)
  return { secure: false, hostname: 'localhost', port: 80, socketPath, authority: 'localhost', base: '' }
}
