import type { Verdict } from '../verdict/verdict.js'
import { echoOf, streamEvent, streamReply } from './bodies.js'
import type { Dialect, ReplyContext } from './contract.js'
import { EXPIRED_REFRESH_COOKIE, librechatDetails, messageOf, shownInfo } from './details.js'

/** Parent of the first message of a conversation, as LibreChat writes it. */
const NO_PARENT = '00000000-0000-0000-0000-000000000000'
const LONGEST_ECHO = 100_000

/**
 * The refusal of LibreChat's older generations, whose clients read the answer to a message as an event
 * stream: two frames that look like a message and its failed answer, status 200
 * (`denyRequest`, reference `librechat.md` §1.3).
 */
export const librechatSse: Dialect = {
  readsBody: () => true,
  expiredCookie: EXPIRED_REFRESH_COOKIE,
  render: (verdict, context) => {
    if (verdict.kind !== 'non-browser') return streamReply(deniedMessage(verdict, context))
    return streamReply([streamEvent({ message: messageOf(verdict) }, 'error')])
  },
}

function deniedMessage (verdict: Verdict, context: ReplyContext): string[] {
  // A banned person's refusal gets fresh ids: nothing of it is to be filed under a conversation.
  const body = verdict.kind === 'ban' ? {} : context.body ?? {}
  const conversationId = textOf(body['conversationId']) ?? context.newId()
  const messageId = textOf(body['messageId']) ?? context.newId()
  const asked = {
    sender: 'User',
    messageId,
    parentMessageId: textOf(body['parentMessageId']) ?? NO_PARENT,
    conversationId,
    isCreatedByUser: true,
    text: textOf(body['text']) ?? '',
  }
  const answered = {
    sender: senderOf(body),
    messageId: textOf(body['responseMessageId']) ?? context.newId(),
    conversationId,
    parentMessageId: messageId,
    unfinished: false,
    error: true,
    final: true,
    text: detailsText(verdict, context),
    isCreatedByUser: false,
  }
  return [streamEvent({ message: asked, created: true }, 'message'), streamEvent(answered, 'error')]
}

/** The client finds the violation in the text of the failed answer, as JSON; of a ban no more than that it is one. */
function detailsText (verdict: Verdict, context: ReplyContext): string {
  if (verdict.kind === 'ban') return JSON.stringify({ type: 'ban' })
  const details = { ...librechatDetails(verdict, context), ...shownInfo(verdict) }
  return JSON.stringify({ ...details, message: messageOf(verdict), requestId: context.requestId })
}

function senderOf (body: Readonly<Record<string, unknown>>): string {
  return textOf(body['modelLabel']) ?? textOf(body['chatGptLabel']) ?? textOf(body['model']) ??
    textOf(body['endpoint']) ?? 'AI'
}

function textOf (value: unknown): string | undefined {
  return echoOf(value, LONGEST_ECHO)
}
