import type { PolicyDocument, RouteDocument } from '../config/schema.js'
import type { ContentRules } from '../content/contract.js'
import type { DoormanRules } from '../doorman/contract.js'
import { withNumbers } from '../limits/limits.js'
import type { Limiter } from '../limits/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { compileDoormanUse } from './compile-doorman-use.js'
import { compilePrompt } from './compile-prompts.js'
import type { RouteEntry } from './contract.js'

const SOCKETS: ReadonlySet<string> = new Set(['GET'])
const WITHOUT_BODY: ReadonlySet<string> = new Set(['GET', 'HEAD'])

export interface InspectionContext {
  readonly document: PolicyDocument
  /** Those that are switched on. */
  readonly content: ReadonlyMap<string, ContentRules>
  readonly doorman: DoormanRules | undefined
  readonly path: DocumentPath
  readonly methods: RouteEntry['methods']
  readonly report: Report
}

/** What is said on a route, what is checked of it, and whether it comes in frames. */
export function compileInspection (
  entry: RouteDocument, context: InspectionContext
): Pick<RouteEntry, 'prompt' | 'content' | 'doorman' | 'inspectsFrames'> {
  const { path, report } = context
  const prompt = entry.prompt === undefined ? undefined : compilePrompt(entry.prompt, [...path, 'prompt'], report)
  const content = contentOf(entry, context)
  if (entry.content !== undefined && prompt === undefined) {
    report([...path, 'prompt'], 'nothing', `where the text stands that content "${entry.content}" looks at`)
  }
  const inspectsFrames = compileFrames(entry, context)
  const isMute = entry.frames === undefined && isOf(context.methods, WITHOUT_BODY)
  if (entry.content !== undefined && isMute) {
    report([...path, 'content'], `content on ${JSON.stringify(entry.match)}, whose requests have no body`,
      'a method with a body, or frames: inspect where a WebSocket begins')
  }
  const doorman = compileDoormanUse(entry, { ...context, prompt, isMute })
  return { prompt, content, doorman, inspectsFrames }
}

/** False also where the pattern is a mistake of its own. */
function isOf (methods: RouteEntry['methods'], these: ReadonlySet<string>): boolean {
  return methods !== '*' && methods.length > 0 && methods.every((method) => these.has(method))
}

function contentOf (
  { content: name }: RouteDocument, { document, content, path, report }: InspectionContext
): ContentRules | undefined {
  if (name === undefined) return undefined
  const known = Object.keys(document.content ?? {})
  if (!known.includes(name)) report([...path, 'content'], JSON.stringify(name), `content rules of this policy (${known.join(', ')})`, known)
  return content.get(name)
}

function compileFrames (entry: RouteDocument, { path, methods, report }: InspectionContext): boolean {
  if (entry.frames !== 'inspect') return false
  if (methods.length > 0 && !isOf(methods, SOCKETS)) {
    report([...path, 'frames'], `inspect on ${JSON.stringify(entry.match)}`, 'a route of GET alone, which is how WebSockets begin')
  }
  if (entry.concurrency !== undefined) {
    report([...path, 'concurrency'], 'it beside frames: inspect', 'no slots for messages in frames, which have no answer that ends')
  }
  if (entry.content === undefined && entry.doorman !== true && (entry.limit ?? []).length === 0) {
    report([...path, 'frames'], 'inspect, and nothing that each frame goes through', 'content, doorman or limit beside it')
  }
  if ((entry.prompt?.fields ?? []).length > 0) {
    report([...path, 'prompt', 'fields'], 'fields of a form', 'text or conversation, since a frame is JSON')
  }
  return true
}

/** A limiter that suspends without words of its own takes those of the route's content rules, be they on or off. */
export function inWordsOf (entry: RouteDocument, limiter: Limiter, { content, limiters }: PolicyDocument): Limiter {
  const { name, suspend } = limiter
  const words = content?.[entry.content ?? '']?.messages?.limited
  const isWritten = limiters?.[name]?.onExceed?.message !== undefined
  if (words === undefined || suspend === undefined || isWritten) return limiter
  return { ...limiter, suspend: { ...suspend, message: withNumbers(words, limiter) } }
}
