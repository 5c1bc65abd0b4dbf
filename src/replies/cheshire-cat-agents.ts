import type { FaultVerdict, Verdict } from '../verdict/verdict.js'
import { jsonReply, streamEvent, streamReply } from './bodies.js'
import type { Dialect, Reply, ReplyContext } from './contract.js'
import { messageOf } from './details.js'

/** The Cat has no threads yet and says so with this. */
const THREAD = '_'
/** Members that every event of the Cat's has (`ag_ui.core.events`, in the spelling in which the Cat sends them). */
const EVENT = { raw_event: null, metadata: null }

/**
 * Agents of the Cheshire Cat 2.x. As with 1.x the person reads the refusal, a ban included, as the agent's message:
 * the Cat's own page shows nothing of another answer, whatever its status. A fault is an error in the stream, which
 * that page does show, and keeps its status for everybody else.
 */
export const cheshireCatAgents: Dialect = {
  readsBody: (verdict) => verdict.kind !== 'fault',
  render: (verdict, context) => {
    return verdict.kind === 'fault' ? faultReply(verdict, context) : messageReply(verdict, context)
  },
}

/** The Cat streams unless it is told not to. */
function wantsStream ({ body }: ReplyContext): boolean {
  return body?.['stream'] !== false
}

function messageReply (verdict: Verdict, context: ReplyContext): Reply {
  const text = messageOf(verdict)
  const result = taskResult(text)
  if (!wantsStream(context)) return jsonReply(200, result)
  const timestamp = Math.floor(context.now / 1000)
  const run = { thread_id: THREAD, run_id: context.newId() }
  const said = { timestamp, ...EVENT, subagent_run_id: null, message_id: context.newId() }
  return streamReply([
    { type: 'RUN_STARTED', timestamp, ...EVENT, ...run, protocol_version: null, parent_run_id: null, input: null },
    { type: 'TEXT_MESSAGE_START', ...said, role: 'assistant', name: null },
    { type: 'TEXT_MESSAGE_CONTENT', ...said, delta: text },
    { type: 'TEXT_MESSAGE_END', ...said },
    { type: 'RUN_FINISHED', timestamp, ...EVENT, ...run, result, outcome: null, usage: null },
  ].map((event) => streamEvent(event)))
}

/** `TaskResult` of the Cat's `types/tasks.py`: the new messages only, which the client puts behind its own. */
function taskResult (text: string) {
  return {
    messages: [{
      role: 'assistant',
      content: [{ type: 'text', text, annotations: null, meta: null }],
      tool_calls: [],
      tool_call_id: null,
      structuredContent: null,
      text,
    }],
    resources: [],
    args: {},
    stream: true,
  }
}

function faultReply (verdict: FaultVerdict, context: ReplyContext): Reply {
  const { requestId, now } = context
  const message = messageOf(verdict)
  if (!wantsStream(context)) return jsonReply(verdict.status, { detail: message, requestId })
  const timestamp = Math.floor(now / 1000)
  return streamReply([
    streamEvent({ type: 'RUN_ERROR', timestamp, ...EVENT, message, code: verdict.code, usage: null, requestId })
  ], verdict.status)
}
