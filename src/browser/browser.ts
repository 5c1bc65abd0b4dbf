import { LRUCache } from 'lru-cache'
import { UAParser } from 'ua-parser-js'
import { chain } from '../chain.js'
import type { Check, Exchange } from '../exchange.js'
import type { Identity } from '../identity/contract.js'
import type { Booking, NonBrowserVerdict, Verdict } from '../verdict/verdict.js'

/** As the replaced system does: version 1 of the parser looks at no more of the header. */
const LONGEST_USER_AGENT = 500
const REMEMBERED_USER_AGENTS = 10_000
const MESSAGE = 'Illegal request'

export interface BrowserCheckOptions {
  /** `ua`: the User-Agent must name a browser; `strict`: the fetch metadata of a real one must be there too. */
  readonly level: 'ua' | 'strict'
  /** Asked of a verified user before his violation is booked: who is suspended is told so, and not scored. */
  readonly before?: Check | undefined
  /** Books the violation of a verified user; undefined when nothing is booked. */
  book (exchange: Exchange): Promise<Booking | undefined> | Booking | undefined
}

const parser = new UAParser()
const knownAgents = new LRUCache<string, boolean>({ max: REMEMBERED_USER_AGENTS })

/**
 * Refuses clients that are no browser (LibreChat's `uaParser` middleware: the User-Agent has a browser name).
 * With a verified user it is a violation; without one, guests included, nothing is scored, so that an anonymous
 * probe cannot get an office banned.
 */
export function createBrowserCheck ({ level, before, book }: BrowserCheckOptions): Check {
  return (exchange) => {
    const agent = exchange.headers['user-agent'] ?? ''
    if (exchange.policy.access.exemptUserAgents.length > 0 && isExemptAgent(exchange, agent)) return undefined
    if (namesBrowser(agent) && (level === 'ua' || hasBrowserMarks(exchange))) return undefined
    if (isNobody(exchange.identity) || exchange.exempt) return verdict(exchange, undefined)
    return chain<Verdict | undefined, Verdict>(before?.(exchange), (earlier) =>
      earlier ?? chain(book(exchange), (booking) => verdict(exchange, booking)))
  }
}

function isNobody ({ user }: Identity): boolean {
  return user === undefined || user.guest === true
}

/** True when ua-parser-js 1.x finds a browser's name in the User-Agent. */
export function namesBrowser (agent: string): boolean {
  const text = agent.length > LONGEST_USER_AGENT ? agent.slice(0, LONGEST_USER_AGENT) : agent
  let known = knownAgents.get(text)
  if (known === undefined) {
    known = Boolean(parser.setUA(text).getBrowser().name)
    knownAgents.set(text, known)
  }
  return known
}

/** Every current browser sends all of these with `fetch`, XHR and navigations; simple scripts send none. */
function hasBrowserMarks ({ headers }: Exchange): boolean {
  return headers['accept-language'] !== undefined &&
    headers['sec-fetch-site'] !== undefined &&
    headers['sec-fetch-mode'] !== undefined &&
    headers['sec-fetch-dest'] !== undefined
}

function isExemptAgent (exchange: Exchange, agent: string): boolean {
  const folded = agent.toLowerCase()
  return exchange.policy.access.exemptUserAgents.some((part) => folded.includes(part))
}

function verdict (exchange: Exchange, booking: Booking | undefined): NonBrowserVerdict {
  return {
    kind: 'non-browser',
    rule: 'non_browser',
    status: 403,
    message: MESSAGE,
    type: exchange.policy.browser.violation,
    ...(booking === undefined ? {} : { booking }),
  }
}
