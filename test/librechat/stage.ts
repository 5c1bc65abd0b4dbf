import type { Browser } from 'playwright-core'
import type { Test } from 'tap'
import { startProduct, type Product } from '../helpers/product.js'
import { openApp, type Tab } from './app/open-app.js'
import { startLibreChat, type LibreChat, type LibreChatOptions } from './backend/backend.js'
import { startIssuer, type Issuer } from './backend/issuer.js'
import type { Generation } from './backend/world.js'

export const ada = { email: 'ada@example.com', password: 'analytical', name: 'Ada' }

export interface StageOptions extends LibreChatOptions {
  readonly browser: Browser
  /** Environment of the gateway. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Stage { readonly chat: LibreChat, readonly product: Product, readonly tab: Tab }

/** The app of this generation behind the gateway, in a browser, with Ada signed in. */
export async function setStage (t: Test, generation: Exclude<Generation, 'hanzo'>, options: StageOptions): Promise<Stage> {
  const { browser, env = {}, ...backend } = options
  const chat = await startLibreChat(t, generation, backend)
  chat.add(ada)
  const product = await startProduct(t, { upstream: chat.url, env })
  const tab = await openApp(t, browser, product.url)
  await tab.login(ada.email, ada.password)
  return { chat, product, tab }
}

/** Hanzo Chat behind the gateway, its people signed in elsewhere; nobody is yet. */
export async function setHanzoStage (
  t: Test, { browser, env = {} }: StageOptions
): Promise<Stage & { readonly issuer: Issuer }> {
  const issuer = await startIssuer(t)
  const chat = await startLibreChat(t, 'hanzo', { issuer })
  const identity = { OPENID_ISSUER: issuer.url, OPENID_CLIENT_ID: issuer.clientId, PORTCULLIS_PRESET: 'hanzo-chat' }
  const product = await startProduct(t, { upstream: chat.url, env: { ...identity, ...env } })
  return { issuer, chat, product, tab: await openApp(t, browser, product.url) }
}

export const streamPath = (streamId: string): string => `/api/agents/chat/stream/${streamId}`

/** Sends a message; its stream's id. Throws when it is refused. */
export async function send (tab: Tab, text: string, conversationId?: string): Promise<string> {
  const outcome = await tab.say(conversationId === undefined ? { text } : { text, conversationId })
  if (!outcome.ok) throw new Error(JSON.stringify(outcome))
  return outcome.value.streamId
}

/** The status with which a message is refused; 200: it is not. */
export async function statusOf (tab: Tab, text: string): Promise<number> {
  const outcome = await tab.say({ text })
  return outcome.ok ? 200 : outcome.status
}
