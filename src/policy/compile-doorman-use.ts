import type { RouteDocument } from '../config/schema.js'
import type { DoormanRules, DoormanUse } from '../doorman/contract.js'
import type { PromptRule } from '../prompt/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { pointerOf } from './pointers.js'

export interface RouteContext {
  readonly doorman: DoormanRules | undefined
  readonly prompt: PromptRule | undefined
  /** None of the route's requests has a body, and no frame is looked at. */
  readonly isMute: boolean
  readonly path: DocumentPath
  readonly report: Report
}

/** What a route asks the doorman; undefined: nothing, or he is off. */
export function compileDoormanUse (entry: RouteDocument, context: RouteContext): DoormanUse | undefined {
  const { doorman: rules, prompt, isMute, path, report } = context
  const conversation = (entry.conversation ?? []).map((pointer, i) =>
    pointerOf(pointer, [...path, 'conversation', i], report))
  if (entry.doorman !== true) return undefined
  if (entry.prompt === undefined) report([...path, 'prompt'], 'nothing', 'where the text stands that the doorman looks at')
  if (isMute) {
    report([...path, 'doorman'], `doorman on ${JSON.stringify(entry.match)}, whose requests have no body`,
      'a method with a body, or frames: inspect where a WebSocket begins')
  }
  if (rules === undefined || prompt === undefined) return undefined
  return { rules, prompt, conversation, observe: rules.observe }
}
