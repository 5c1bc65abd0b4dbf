import type { DoormanDocument } from '../config/doorman-schema.js'
import type { PolicyDocument } from '../config/schema.js'
import type { DoormanRules } from '../doorman/contract.js'
import type { Report } from './compile.js'
import { categoriesOf, labelsOf } from './compile-categories.js'

const PATH = ['doorman']
const NO_HEADER = 'none'
/** What clients send under such names never gets to the backend. */
const HEADER = /^x-portcullis-[a-z\d-]{1,64}$/
/** What `defaults.yaml` says where nobody else does. */
const DEFAULTED = [
  'rewrite', 'alarm', 'truncate', 'scope', 'rememberRewritten', 'header', 'context', 'remember', 'maxLength', 'deadline',
  'retries', 'concurrency', 'cache', 'suspensions', 'resetAfter',
] as const satisfies (keyof DoormanDocument)[]

type Complete = DoormanDocument & Required<Pick<DoormanDocument, typeof DEFAULTED[number]>>

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
  checkSuspensions(written, categories, report)
  if (enabled === 'false' || url === undefined || mode === 'off') return undefined
  return { ...rulesOf({ ...complete(written), url }, { labels, categories }), header }
}

/** Sentences on routes that ask a doorman who is off although there is somebody to ask. */
export function idleDoorman ({ doorman, routes = [] }: PolicyDocument): string[] {
  const isMeant = doorman?.url !== undefined && (doorman.enabled ?? 'false') === 'false' && doorman.mode !== 'off'
  if (!isMeant || !routes.some((route) => route.doorman === true)) return []
  return ['the doorman is off although he has a url (DOORMAN_BASE_URL): doorman.enabled: true asks him about messages']
}

/** @throws TypeError for a document that does not lie over `defaults.yaml`. */
function complete (written: DoormanDocument): Complete {
  const missing = DEFAULTED.find((key) => written[key] === undefined)
  if (missing !== undefined) throw new TypeError(`doorman.${missing} has no value: the defaults are not below the document`)
  return written as Complete
}

function rulesOf (
  written: Complete & { readonly url: string }, { labels, categories }: Pick<DoormanRules, 'labels' | 'categories'>
): Omit<DoormanRules, 'header'> {
  const { url, apiKey, model, instructions = '', maxLength } = written
  const fingerprint = JSON.stringify([url, model, [...labels], instructions, maxLength])
  const replacing = {
    template: written.rewrite,
    alarm: written.alarm,
    truncate: written.truncate,
    scope: written.scope,
    rememberMs: written.rememberRewritten,
  }
  return {
    endpoint: { url, apiKey, model },
    labels,
    categories,
    instructions,
    rewrite: { ...replacing, fingerprint: JSON.stringify([fingerprint, replacing]) },
    context: written.context,
    rememberMs: written.remember,
    maxLength,
    deadlineMs: written.deadline,
    retries: written.retries,
    concurrency: written.concurrency,
    cacheMs: written.cache,
    suspensionsMs: written.suspensions,
    budget: { requests: written.budget?.requests, tokens: written.budget?.tokens },
    reset: { resetAfterMs: written.resetAfter, resetOn: 'quiet' },
    fingerprint,
    observe: written.mode === 'observe',
  }
}

function headerOf ({ header = NO_HEADER }: DoormanDocument, report: Report): string | undefined {
  const name = header.toLowerCase()
  if (name === NO_HEADER) return undefined
  if (!HEADER.test(name)) report([...PATH, 'header'], JSON.stringify(header), 'X-Portcullis-NAME, which no client can send, or none')
  return name
}

function checkSuspensions (
  { suspensions }: DoormanDocument, categories: DoormanRules['categories'], report: Report
): void {
  const isNeeded = [...categories.values()].some(({ action }) => action === 'suspend')
  if (isNeeded && suspensions?.length === 0) report([...PATH, 'suspensions'], 'an empty list', 'a duration for each infraction: [5m, 15m, 1h]')
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
