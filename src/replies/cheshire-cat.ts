import type { FaultVerdict, Verdict } from '../verdict/verdict.js'
import { echoOf, jsonReply } from './bodies.js'
import type { Dialect, ReplyContext } from './contract.js'
import { messageOf } from './details.js'

/** As the Cat calls whoever does not say who he is. */
const NOBODY = 'user'
const LONGEST_USER = 200
const SOCKET = /\/ws\/([^/]+)\/?$/

/**
 * The Cheshire Cat 1.x. Whatever is against a message, a ban included, is said as the Cat says things: a chat message
 * with status 200, or as a frame, because its clients show chat messages and drop other answers; the plugin that this
 * replaces did the same. Faults of the backend and of ours stay errors, in the form of the Cat's own.
 */
export const cheshireCat: Dialect = {
  readsBody: () => false,
  render: (verdict, context) => verdict.kind === 'fault'
    ? jsonReply(verdict.status, { detail: { error: messageOf(verdict) }, requestId: context.requestId })
    : jsonReply(200, chatMessage(verdict, context)),
  renderFrames: (verdict, context) => [
    JSON.stringify(verdict.kind === 'fault' ? errorFrame(verdict, context) : chatMessage(verdict, context))
  ],
}

/** `CatMessage` of the Cat's `convo/messages.py`; older clients read `content`, newer ones `text`. */
function chatMessage (verdict: Verdict, context: ReplyContext) {
  const text = messageOf(verdict)
  return {
    type: 'chat',
    user_id: userOf(context),
    when: context.now / 1000,
    who: 'AI',
    text,
    image: null,
    audio: null,
    content: text,
    why: {
      input: '',
      intermediate_steps: [],
      memory: { episodic: [], declarative: [], procedural: [] },
      model_interactions: [],
      agent_output: null,
    },
  }
}

function errorFrame (verdict: FaultVerdict, { requestId }: ReplyContext) {
  return { type: 'error', name: verdict.code, description: messageOf(verdict), requestId }
}

/** What the client calls itself, told back to itself; nothing is counted by it. */
function userOf ({ path, headers }: ReplyContext): string {
  return echoOf(SOCKET.exec(path)?.[1], LONGEST_USER) ?? echoOf(headers['user_id'], LONGEST_USER) ?? NOBODY
}
