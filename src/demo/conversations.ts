import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.js'

const maxConversations = 1_000
const maxMessages = 200
const maxCharactersInAll = 32 * 1024 * 1024
const titleCharacters = 60

export interface Message {
  readonly messageId: string
  readonly conversationId: string
  readonly parentMessageId: string
  readonly sender: string
  readonly text: string
  readonly isCreatedByUser: boolean
  readonly unfinished: boolean
  readonly error: boolean
  readonly createdAt: string
}

export interface Conversation {
  readonly conversationId: string
  readonly user: string
  readonly endpoint: string
  readonly title: string
  readonly createdAt: string
  updatedAt: string
}

export interface NewConversation {
  readonly userId: string
  readonly conversationId?: string | undefined
  readonly endpoint: string
  readonly title: string
}

export interface Conversations {
  /** Whoever owns it: the caller compares `user`. Absent when unknown or long forgotten. */
  find (conversationId: string): Conversation | undefined
  /** Newest first. */
  listOf (userId: string): readonly Conversation[]
  messagesOf (conversationId: string): readonly Message[]
  /** Without an id it gets a new one. */
  start (conversation: NewConversation): Conversation
  /** Does nothing when the conversation was forgotten meanwhile. */
  append (message: Message): void
}

interface Entry { readonly conversation: Conversation, messages: readonly Message[] }

/** Conversations in memory; the least recently used go when the memory set aside for them is full. */
export function createConversations ({ clock }: { clock: Clock }): Conversations {
  const entries = new LRUCache<string, Entry>({ max: maxConversations, maxSize: maxCharactersInAll })

  function put (entry: Entry): void {
    const size = entry.messages.reduce((sum, { text }) => sum + text.length, titleCharacters)
    entries.set(entry.conversation.conversationId, entry, { size })
  }

  return {
    find: (conversationId) => entries.get(conversationId)?.conversation,
    listOf (userId) {
      const own = [...entries.values()].map((entry) => entry.conversation).filter(({ user }) => user === userId)
      return own.sort((a, b) => b.updatedAt.localeCompare(a.updatedAt))
    },
    messagesOf: (conversationId) => entries.get(conversationId)?.messages ?? [],
    start ({ userId, conversationId = randomUUID(), endpoint, title }) {
      const now = new Date(clock()).toISOString()
      const conversation: Conversation = {
        conversationId, user: userId, endpoint, title: cutText(title, titleCharacters), createdAt: now, updatedAt: now,
      }
      put({ conversation, messages: [] })
      return conversation
    },
    append (message) {
      const entry = entries.get(message.conversationId)
      if (entry === undefined) return
      entry.messages = [...entry.messages, message].slice(-maxMessages)
      entry.conversation.updatedAt = message.createdAt
      put(entry)
    },
  }
}

/** A copy through bytes: a bare slice would keep the whole text in memory. */
export function cutText (text: string, characters: number): string {
  return text.length <= characters ? text : Buffer.from(text.slice(0, characters)).toString()
}
