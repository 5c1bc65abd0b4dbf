import { isIPv6 } from 'node:net'
import type { RedisAddress } from '../redis-settings.js'
import { nearest, show } from './mistake.js'

const REDIS_PORT = 6379
const SENTINEL_PORT = 26_379
const SENTINEL_OPTIONS = ['sentinelUsername', 'sentinelPassword']
/** Known to the chat app's client; both families are tried whatever it says. */
const IGNORED_OPTIONS = ['family']

const whole = /^(rediss?(?:\+sentinel)?):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/is
const hostAndPort = /^(?:\[([^\]]+)\]|([\p{L}\p{N}_.-]+))(?::(\d+))?$/u
/** What can be no part of a password: host names, addresses, ports. */
const harmless = /^[\w.-]+(?::\d+)?$|^[\da-f:.[\]]+$/i

/** Takes one thing that is wrong. Texts are fit for printing: a part of a URI may be a password in a wrong place. */
export type ReportUri = (found: string, expected: string, suggestion?: string) => void

/** One URI, its percent encoding undone. */
export interface RedisUri {
  readonly scheme: string
  readonly addresses: readonly RedisAddress[]
  readonly masterName: string | undefined
  readonly database: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly sentinelUsername: string | undefined
  readonly sentinelPassword: string | undefined
}

/** Reads `scheme://[user:password@]host[:port][/database][?option=value]`; of sentinels several hosts and a name. */
export function parseRedisUri (text: string, report: ReportUri): RedisUri | undefined {
  const found = whole.exec(text)
  if (found === null) {
    report(schemeOf(text), 'redis://, rediss://, redis+sentinel:// or rediss+sentinel:// and an address')
    return undefined
  }
  const [, scheme = '', authority = '', path = '', query = '', fragment = ''] = found
  const isSentinel = scheme.toLowerCase().endsWith('+sentinel')
  const beyond = `${path}${isSentinel ? '' : query}${fragment}`
  if (fragment !== '' || (!authority.includes('@') && beyond.includes('@'))) {
    report('a password with /, ? or # in it', 'them to be written as %2F, %3F and %23')
    return undefined
  }
  const at = authority.lastIndexOf('@')
  const read = (part: string) => decoded(part, report)
  const options = readOptions(query, { report, known: isSentinel ? SENTINEL_OPTIONS : [] })
  return {
    scheme: scheme.toLowerCase(),
    addresses: readAddresses(authority.slice(at + 1), isSentinel ? SENTINEL_PORT : REDIS_PORT, report),
    ...readPath(path, isSentinel, report),
    ...readCredentials(authority.slice(0, Math.max(at, 0)), read),
    sentinelUsername: read(options.get('sentinelUsername') ?? ''),
    sentinelPassword: read(options.get('sentinelPassword') ?? ''),
  }
}

function schemeOf (text: string): string {
  const scheme = /^[a-z][a-z\d+.-]{0,30}:\/\//i.exec(text)?.[0]
  return scheme === undefined || /^rediss?(\+sentinel)?:/i.test(scheme) ? 'no address' : `the scheme ${scheme}`
}

function readCredentials (text: string, read: (part: string) => string | undefined) {
  const colon = text.indexOf(':')
  return {
    username: read(colon === -1 ? text : text.slice(0, colon)),
    password: colon === -1 ? undefined : read(text.slice(colon + 1)),
  }
}

function readAddresses (text: string, defaultPort: number, report: ReportUri): RedisAddress[] {
  return text.split(',').flatMap((part) => {
    const [, ipv6, name, digits] = hostAndPort.exec(part.trim()) ?? []
    const host = ipv6 ?? name
    const port = digits === undefined ? defaultPort : Number(digits)
    if (host === undefined || (ipv6 !== undefined && !isIPv6(ipv6))) {
      const found = harmless.test(part) ? `the address ${show(part)}` : 'an address that cannot be read'
      report(part === '' ? 'no host' : found, 'HOST, HOST:PORT or [IPV6]:PORT')
      return []
    }
    if (port >= 1 && port <= 65_535) return [{ host, port }]
    report(`the port ${show(digits)}`, 'a port from 1 to 65535')
    return []
  })
}

/** `[/database]`, of sentinels `/masterName[/database]`. */
function readPath (path: string, isSentinel: boolean, report: ReportUri) {
  const parts = path.split('/')
  const masterName = isSentinel ? decoded(parts.shift() ?? '', report) : undefined
  if (isSentinel && masterName === undefined) {
    report('no name of the master', 'redis+sentinel://HOST:PORT[,HOST:PORT…]/NAME, as the sentinels call it')
  }
  const [number = '', ...more] = parts
  const isNumber = /^\d{0,5}$/.test(number) && more.length === 0
  if (!isNumber) {
    const found = harmless.test(number) && more.length === 0 ? `the database ${show(number)}` : 'a path'
    report(found, 'the number of a database, or nothing')
  }
  return { masterName, database: isNumber ? Number(number) : 0 }
}

interface OptionContext { readonly known: readonly string[], readonly report: ReportUri }

/** Not as a form is read: a plus sign stands for itself. */
function readOptions (query: string, { known, report }: OptionContext): ReadonlyMap<string, string> {
  const options = new Map<string, string>()
  for (const pair of query.split('&').filter((part) => part !== '')) {
    const [name = '', ...value] = pair.split('=')
    if (IGNORED_OPTIONS.includes(name)) continue
    if (!known.includes(name)) {
      const found = /^\w{1,30}$/.test(name) && value.length > 0 ? `the option ${show(name)}` : 'an unknown option'
      const expected = known.length === 0 ? `no option but ${IGNORED_OPTIONS.join()}` : `one of ${known.join(', ')}`
      report(found, expected, nearest(name, known))
    } else if (options.has(name)) report(`the option ${show(name)} twice`, 'it once')
    options.set(name, value.join('='))
  }
  return options
}

/** Undefined: it is empty, or was reported. */
function decoded (text: string, report: ReportUri): string | undefined {
  try {
    return decodeURIComponent(text) || undefined
  } catch {
    report('a % that encodes nothing', 'it to be written as %25')
    return undefined
  }
}
