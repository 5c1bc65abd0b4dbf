import { withinUnits } from '../graphemes.js'
import { isMap, memberOf } from '../json-value.js'
import type { Verdict } from '../verdict/verdict.js'
import type { Dialect, Reply, ReplyContext } from './contract.js'
import { messageOf } from './details.js'

/** `sendMessage` takes no longer text; counted in UTF-16 units, which are never fewer than Telegram's own characters. */
const LONGEST_TEXT = 4096
const PRIVATE = 'private'
/** Updates that are a message in a chat to which the bot may write. */
const MESSAGES = [
  'message', 'edited_message', 'channel_post', 'edited_channel_post', 'business_message', 'edited_business_message',
]
/**
 * Faults below 500 that Telegram is told: a wrong secret is not Telegram's, and of a body that never came whole the
 * bot has nothing yet, so that it must be delivered again.
 */
const TOLD = new Set([401, 408])

/** A message that nobody could judge is refused, as any other: delivered again it would only be refused again. */
const REFUSED = 'DOORMAN_UNAVAILABLE'

type Members = Readonly<Record<string, unknown>>

/**
 * Bots that Telegram calls by webhook. Whatever is not 2xx it delivers again and again, so every refusal is 200: empty,
 * or with the one call of the Bot API that the answer of a webhook may carry, which the person reads as the bot's
 * reply. A request of which nothing better will come at the next try is at its end too. What the backend or we cannot
 * do now keeps its status, so that the update is delivered again.
 */
export const telegram: Dialect = {
  readsBody: speaks,
  render: (verdict, { body, requestId }) => {
    if (verdict.kind === 'fault' && verdict.code !== REFUSED && (verdict.status >= 500 || TOLD.has(verdict.status))) {
      return json(verdict.status, { code: verdict.code, message: messageOf(verdict), requestId })
    }
    const call = speaks(verdict) ? callOf(verdict, body) : undefined
    return call === undefined ? { status: 200, headers: [], body: '' } : json(200, call)
  },
}

/** True for what a person can be told; nobody is asked for a browser here. */
function speaks (verdict: Verdict): boolean {
  if (verdict.silent === true) return false
  if (verdict.kind === 'fault') return verdict.code === REFUSED
  return verdict.kind !== 'non-browser'
}

/** The call that tells it in the chat of the update; undefined: it has none, or it had better not be told there. */
function callOf (verdict: Verdict, update: ReplyContext['body']): object | undefined {
  const text = withinUnits(messageOf(verdict), LONGEST_TEXT)
  const message = messageIn(update)
  const chat = idAt(message, 'chat', 'id')
  if (message === undefined || chat === undefined || text.trim() === '') return undefined
  if (verdict.kind === 'ban' && !isOwnChat(update)) return undefined
  // Said in the name of a person, to another who never spoke to a bot.
  if (verdict.kind === 'not-allowed' && 'business_connection_id' in message) return undefined
  return { method: 'sendMessage', chat_id: chat, ...placeOf(message), text, ...replyTo(message) }
}

/** A ban holds for whatever its person does, so only what he says to the bot alone is answered, and not his edits. */
function isOwnChat (update: ReplyContext['body']): boolean {
  return memberOf(memberOf(memberOf(update, 'message'), 'chat'), 'type') === PRIVATE
}

function messageIn (update: ReplyContext['body']): Members | undefined {
  const messages = [...MESSAGES.map((kind) => memberOf(update, kind)), memberOf(memberOf(update, 'callback_query'), 'message')]
  return messages.find(isMap)
}

/** Where in the chat: a topic, or a person's conversation with a channel; and in whose name in a business chat. */
function placeOf (message: Members) {
  const topic = message['is_topic_message'] === true ? idAt(message, 'message_thread_id') : undefined
  const direct = idAt(message, 'direct_messages_topic', 'topic_id')
  const business = message['business_connection_id']
  return {
    ...topic !== undefined && { message_thread_id: topic },
    ...direct !== undefined && { direct_messages_topic_id: direct },
    ...typeof business === 'string' && { business_connection_id: business },
  }
}

function replyTo (message: Members) {
  const id = idAt(message, 'message_id')
  return id === undefined ? {} : { reply_parameters: { message_id: id, allow_sending_without_reply: true } }
}

/** A number that can be repeated as it stood; undefined: there is none, or it would come out as another. */
function idAt (message: Members | undefined, ...path: readonly string[]): number | undefined {
  let value: unknown = message
  for (const name of path) value = memberOf(value, name)
  return Number.isSafeInteger(value) ? value as number : undefined
}

function json (status: number, value: object): Reply {
  return { status, headers: [['content-type', 'application/json']], body: JSON.stringify(value) }
}
