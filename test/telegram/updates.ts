/** Updates as Telegram's servers send them: every kind that the Bot API has, with the members that real ones have. */
import type { Update } from 'grammy/types'

export const BOT = { id: 7_000_000_001, is_bot: true, first_name: 'Echo', username: 'EchoMindBot' } as const
export const OTHER_BOT = { id: 7_000_000_002, is_bot: true, first_name: 'Weather', username: 'WeatherBot' } as const
export const ADA = { id: 5_551_001, is_bot: false, first_name: 'Ada', username: 'ada_l', language_code: 'en' } as const
export const BOB = { id: 5_551_002, is_bot: false, first_name: 'Bob', last_name: 'Ross', language_code: 'de' } as const
export const GROUP = { id: -1_001_234_567_890, title: 'Analytical Engines', type: 'supergroup' } as const
export const SMALL_GROUP = { id: -4_012_345_678, title: 'Lunch', type: 'group', all_members_are_administrators: true } as const
export const CHANNEL = { id: -1_009_876_543_210, title: 'News', username: 'engine_news', type: 'channel' } as const
/** Who stands in `from` where an administrator posts in the name of his group. */
const ANONYMOUS_ADMIN = { id: 1_087_968_824, is_bot: true, first_name: 'Group', username: 'GroupAnonymousBot' } as const

/** An update without its number, which each delivery brings. */
export type Content = Omit<Update, 'update_id'>
type Person = typeof ADA | typeof BOB
type Chat = typeof GROUP | typeof SMALL_GROUP

const DATE = 1_795_000_000
const EDITED = { edit_date: DATE + 9 }
const THUMB = { type: 'emoji', emoji: '👍' }
let messages = 100
const stamp = () => ({ message_id: ++messages, date: DATE })
/** Chats of the Bot API are told apart by their type alone. */
const plain = (content: object): Content => content

/** A bot that is named is named by an entity, whose place counts in UTF-16 units. */
function entitiesOf (text: string): object[] {
  return [...text.matchAll(/@\w+|(?<=^|\s)\/\w+(?:@\w+)?/gu)].map(({ 0: found, index }) =>
    ({ type: found.startsWith('/') ? 'bot_command' : 'mention', offset: index, length: found.length }))
}

function said (text: string): object {
  const entities = entitiesOf(text)
  return { text, ...entities.length > 0 && { entities } }
}

function privateChat ({ id, first_name: name }: Person): object {
  return { id, first_name: name, type: 'private' }
}

export function inPrivate (text: string, from: Person = ADA, more: object = {}): Content {
  return plain({ message: { ...stamp(), from, chat: privateChat(from), ...said(text), ...more } })
}

export function editedInPrivate (text: string, from: Person = ADA): Content {
  return plain({ edited_message: { ...stamp(), ...EDITED, from, chat: privateChat(from), ...said(text) } })
}

/** What more a message may bring. */
type More = Readonly<Record<string, unknown>>

export function inGroup (text: string, more: More = {}, chat: Chat = GROUP): Content {
  return plain({ message: { ...stamp(), from: BOB, chat, ...said(text), ...more } })
}

export function editedInGroup (text: string, more: More = {}): Content {
  return plain({ edited_message: { ...stamp(), ...EDITED, from: BOB, chat: GROUP, ...said(text), ...more } })
}

/** The message of a group to which another one replies. */
export function replyTo (from: object, text: string, more: More = {}): More {
  return { reply_to_message: { ...stamp(), from, chat: GROUP, text, ...more } }
}

/** In a topic every message replies to the one that opened it. */
export function inTopic (text: string, openedBy: object): Content {
  const place = { chat: { ...GROUP, is_forum: true }, message_thread_id: 7, is_topic_message: true }
  const opening = { ...stamp(), ...place, from: openedBy, forum_topic_created: { name: 'Cogs', icon_color: 7_322_096 } }
  return plain({ message: { ...stamp(), ...place, from: BOB, ...said(text), reply_to_message: opening } })
}

/** A photo with words below it. */
export function captioned (caption: string): Content {
  const photo = [{ file_id: 'AgACAgQAAxk', file_unique_id: 'AQADq7', file_size: 1_523, width: 90, height: 67 }]
  const entities = { caption_entities: entitiesOf(caption) }
  return plain({ message: { ...stamp(), from: BOB, chat: GROUP, photo, caption, ...entities } })
}

export function asAnonymousAdmin (text: string): Content {
  const sender = { from: ANONYMOUS_ADMIN, sender_chat: GROUP, author_signature: 'boss' }
  return plain({ message: { ...stamp(), ...sender, chat: GROUP, ...said(text) } })
}

export function textMention (text: string): Content {
  return inGroup(text, { entities: [{ type: 'text_mention', offset: 0, length: 4, user: BOT }] })
}

function poll (question: string): object {
  const options = ['Yes', 'No'].map((text, index) => ({ persistent_id: `${index}`, text, voter_count: 0 }))
  const settings = { type: 'regular', is_closed: false, is_anonymous: false, allows_multiple_answers: false }
  return { id: '5204', question, options, total_voter_count: 0, ...settings }
}

export function pollInPrivate (question: string): Content {
  return plain({ message: { ...stamp(), from: ADA, chat: privateChat(ADA), poll: poll(question) } })
}

export function channelPost (text: string): Content {
  return plain({ channel_post: { ...stamp(), sender_chat: CHANNEL, chat: CHANNEL, author_signature: 'Ed', ...said(text) } })
}

export function editedChannelPost (text: string): Content {
  return plain({ edited_channel_post: { ...stamp(), ...EDITED, sender_chat: CHANNEL, chat: CHANNEL, ...said(text) } })
}

export function callback (data: string, from: Person = ADA): Content {
  const keyboard = { inline_keyboard: [[{ text: 'Yes', callback_data: data }]] }
  const message = { ...stamp(), from: BOT, chat: privateChat(from), text: 'Again?', reply_markup: keyboard }
  return plain({ callback_query: { id: '4382bfdwdsb323b2d9', from, message, chat_instance: '-8347', data } })
}

export function inline (query: string, from: Person = ADA): Content {
  return plain({ inline_query: { id: '23842', from, chat_type: 'sender', query, offset: '' } })
}

export function business (text: string, more: More = {}): Content {
  const place = { business_connection_id: 'Bc7rq', from: ADA, chat: privateChat(ADA) }
  return plain({ business_message: { ...stamp(), ...place, ...said(text), ...more } })
}

export function editedBusiness (text: string): Content {
  const place = { business_connection_id: 'Bc7rq', from: ADA, chat: privateChat(ADA) }
  return plain({ edited_business_message: { ...stamp(), ...EDITED, ...place, ...said(text) } })
}

/** The bot is called into a chat that it is not in. */
export function asGuest (text: string): Content {
  return plain({ guest_message: { ...stamp(), guest_query_id: '77', from: ADA, chat: SMALL_GROUP, ...said(text) } })
}

function membership (chat: object, of: object, [before, after]: readonly [string, string]): object {
  const members = { old_chat_member: { user: of, status: before }, new_chat_member: { user: of, status: after } }
  return { chat, from: BOB, date: DATE, ...members }
}

/** Kinds that cost the bot nothing and that no list speaks of. */
export const unlisted: Readonly<Record<string, Content>> = {
  my_chat_member: plain({ my_chat_member: membership(GROUP, BOT, ['left', 'member']) }),
  'my_chat_member, in private': plain({ my_chat_member: membership(privateChat(BOB), BOT, ['member', 'kicked']) }),
  chat_member: plain({ chat_member: membership(GROUP, ADA, ['left', 'member']) }),
  chat_join_request: plain({ chat_join_request: { chat: GROUP, from: BOB, user_chat_id: BOB.id, date: DATE, bio: 'Paints' } }),
  poll: plain({ poll: poll('Cogs?') }),
  poll_answer: plain({ poll_answer: { poll_id: '5204', user: BOB, option_ids: [0], option_persistent_ids: ['0'] } }),
  message_reaction_count: plain({
    message_reaction_count: { chat: CHANNEL, message_id: 5, date: DATE, reactions: [{ type: THUMB, total_count: 3 }] },
  }),
  chat_boost: plain({
    chat_boost: { chat: CHANNEL, boost: { boost_id: 'b1', add_date: DATE, expiration_date: DATE + 9, source: { source: 'premium', user: BOB } } },
  }),
  business_connection: plain({
    business_connection: { id: 'Bc7rq', user: BOB, user_chat_id: BOB.id, date: DATE, is_enabled: true, can_reply: true },
  }),
  deleted_business_messages: plain({
    deleted_business_messages: { business_connection_id: 'Bc7rq', chat: privateChat(BOB), message_ids: [4, 5] },
  }),
}

/** Kinds of a person's doing that cost nothing either, but come from listed people alone. */
export const listedAlone: Readonly<Record<string, Content>> = {
  chosen_inline_result: plain({ chosen_inline_result: { result_id: '1', from: BOB, query: 'cogs' } }),
  shipping_query: plain({
    shipping_query: {
      id: '11', from: BOB, invoice_payload: 'x',
      shipping_address: { country_code: 'DE', state: '', city: 'Ulm', street_line1: '1', street_line2: '', post_code: '89073' },
    },
  }),
  pre_checkout_query: plain({ pre_checkout_query: { id: '12', from: BOB, currency: 'XTR', total_amount: 5, invoice_payload: 'x' } }),
  purchased_paid_media: plain({ purchased_paid_media: { from: BOB, paid_media_payload: 'x' } }),
  message_reaction: plain({
    message_reaction: {
      chat: privateChat(BOB), message_id: 5, user: BOB, date: DATE, old_reaction: [], new_reaction: [THUMB],
    },
  }),
}
