import type { Jobs } from './jobs.js'
import type { Tokens } from './tokens.js'

/** The generations of reference librechat.md: up to 0.7, today's with resumable streams, and Hanzo Chat. */
export type Generation = 'old' | 'new' | 'hanzo'

export interface Account {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly username: string
  readonly password: string
  readonly provider: 'local'
  readonly role: 'USER'
  /** Signing in wants a second factor. */
  readonly twoFactor: boolean
}

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
  readonly title: string
  readonly endpoint: string
  readonly createdAt: string
  readonly updatedAt: string
  readonly isArchived: boolean
}

export interface SharedLink { readonly shareId: string, readonly conversationId: string }

/** Everything that the app knows, in memory. */
export interface World {
  readonly generation: Generation
  /** What the paths of the app begin with. */
  readonly base: '/api' | '/v1/chat'
  readonly tokens: Tokens
  readonly jobs: Jobs
  readonly accounts: Map<string, Account>
  /** Sign-ins whose refresh cookie still counts. */
  readonly sessions: Set<string>
  readonly conversations: Map<string, Conversation>
  readonly messages: Map<string, Message[]>
  readonly shares: Map<string, SharedLink>
  /** What a test may change while the app runs. */
  readonly mood: Mood
}

export interface Mood {
  /** Access tokens issued before this instant (ms) are expired. */
  tokensSince: number
  /** `GET …/chat/active` fails. */
  activeFails: boolean
  /** Status with which the next message is refused. */
  failNextMessage: number | undefined
}

export const noParent = '00000000-0000-0000-0000-000000000000'

export function publicAccount ({ password: _, twoFactor, ...shown }: Account) {
  return { ...shown, twoFactorEnabled: twoFactor }
}
