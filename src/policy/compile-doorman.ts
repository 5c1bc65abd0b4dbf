import type { DoormanDocument } from '../config/doorman-schema.js'
import type { PolicyDocument } from '../config/schema.js'
import type { DoormanRules } from '../doorman/contract.js'
import type { Report } from './compile.js'
import { categoriesOf, labelsOf } from './compile-categories.js'
import { RESET_AFTER_MS, SUSPENSIONS_MS } from './compile-content.js'

const PATH = ['doorman']
const NO_HEADER = 'none'
/** What clients send under such names never gets to the backend. */
const HEADER = /^x-portcullis-[a-z\d-]{1,64}$/
const MINUTE_MS = 60_000

/** Makes the runnable doorman; undefined: he is off. */
export function compileDoorman (document: PolicyDocument, report: Report): DoormanRules | undefined {
  const written = document.doorman ?? {}
  const { enabled = 'false', url, mode } = written
  if (url !== undefined && !isHttpUrl(url)) report([...PATH, 'url'], shownUrl(url), 'http://HOST[:PORT]/v1 or https://HOST[:PORT]/v1')
  if (enabled === 'true' && url === undefined) {
    report([...PATH, 'url'], 'nothing', 'the base URL of an OpenAI-compatible server (DOORMAN_BASE_URL), or enabled: auto')
  }
  const labels = labelsOf(written, report)
  const categories = categoriesOf(written, labels, { document, report })
  const header = headerOf(written, report)
  const suspensionsMs = suspensionsOf(written, categories, report)
  if (enabled === 'false' || url === undefined || mode === 'off') return undefined
  return { ...rulesOf({ ...written, url }, { labels, categories }), header, suspensionsMs }
}

function rulesOf (
  written: DoormanDocument & { readonly url: string }, { labels, categories }: Pick<DoormanRules, 'labels' | 'categories'>
): Omit<DoormanRules, 'header' | 'suspensionsMs'> {
  const { url, apiKey, model, instructions = '', context = 5, maxLength = 16_384 } = written
  return {
    endpoint: { url, apiKey, model },
    labels,
    categories,
    instructions,
    rewrite: {
      template: written.rewrite ?? '{alarm} {truncated}',
      alarm: written.alarm ?? '',
      truncate: written.truncate ?? 100,
      scope: written.scope ?? 'all',
    },
    context,
    rememberMs: written.remember ?? 60 * MINUTE_MS,
    maxLength,
    deadlineMs: written.deadline ?? 3000,
    retries: written.retries ?? 1,
    concurrency: written.concurrency ?? 8,
    cacheMs: written.cache ?? 10 * MINUTE_MS,
    budget: { requests: written.budget?.requests, tokens: written.budget?.tokens },
    reset: { resetAfterMs: written.resetAfter ?? RESET_AFTER_MS, resetOn: 'quiet' },
    fingerprint: JSON.stringify([url, model, [...labels], instructions, maxLength]),
    observe: written.mode === 'observe',
  }
}

function headerOf ({ header = 'x-portcullis-class' }: DoormanDocument, report: Report): string | undefined {
  const name = header.toLowerCase()
  if (name === NO_HEADER) return undefined
  if (!HEADER.test(name)) report([...PATH, 'header'], JSON.stringify(header), 'X-Portcullis-NAME, which no client can send, or none')
  return name
}

function suspensionsOf (
  { suspensions = [...SUSPENSIONS_MS] }: DoormanDocument, categories: DoormanRules['categories'], report: Report
): readonly number[] {
  const isNeeded = [...categories.values()].some(({ action }) => action === 'suspend')
  if (isNeeded && suspensions.length === 0) report([...PATH, 'suspensions'], 'an empty list', 'a duration for each infraction: [5m, 15m, 1h]')
  return suspensions
}

/** A password is nobody's business, not even in the wrong place. */
function shownUrl (text: string): string {
  return text.includes('@') ? 'a URL with a name or a password in it' : JSON.stringify(text)
}

function isHttpUrl (text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === ''
}
