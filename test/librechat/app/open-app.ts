import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { until } from '../../helpers/backends.js'
import type { App } from './app.js'
import type { Draft, Failure, FormField, Outcome, Shown, Watched } from './types.js'

export type Json = Record<string, unknown>

/** The app in a tab. Each function runs the one of the same name in the page. */
export interface Tab {
  readonly page: Page
  readonly context: BrowserContext
  /** The value of a request that succeeds. Throws what the page was told otherwise. */
  get<T = Json> (name: string, ...args: unknown[]): Promise<T>
  /** What the page was told of a request that fails. Throws when it succeeds. */
  refused (name: string, ...args: unknown[]): Promise<Failure>
  form (name: string, fields: readonly FormField[], ...args: unknown[]): Promise<Outcome<unknown>>
  post (path: string, body: object): Promise<Outcome<unknown>>
  login (email: string, password: string): Promise<Outcome<unknown>>
  signedIn (token: string): Promise<void>
  say (draft: Draft): Promise<Outcome<{ streamId: string, conversationId: string, status: string }>>
  ask (draft: Draft): Promise<string>
  follow (path: string): Promise<string>
  watched (key: string): Promise<Watched>
  /** Waits until a stream has ended; what came on it. */
  whole (key: string): Promise<Watched>
  close (key: string): Promise<void>
  shown (text: string): Promise<Shown>
  /** The same session in another tab. */
  another (): Promise<Tab>
}

/** The app in a tab of a fresh session, its page loaded from `url`. */
export async function openApp (t: Test, browser: Browser, url: string): Promise<Tab> {
  const context = await browser.newContext()
  t.teardown(() => context.close())
  return await openTab(context, url)
}

async function openTab (context: BrowserContext, url: string): Promise<Tab> {
  const page = await context.newPage()
  await page.goto(url)
  await page.waitForFunction('globalThis.app !== undefined')
  const run = async <Name extends keyof App>(name: Name, ...args: unknown[]): Promise<Awaited<ReturnType<App[Name]>>> =>
    await page.evaluate<Awaited<ReturnType<App[Name]>>>(`app.${name}(...${JSON.stringify(args)})`)
  const watched = (key: string) => run('watched', key)
  return {
    page,
    context,
    async get<T> (name: string, ...args: unknown[]) {
      const outcome = await run('call', name, ...args)
      if (!outcome.ok) throw new Error(`${name}: ${JSON.stringify(outcome)}`)
      return outcome.value as T
    },
    async refused (name, ...args) {
      const outcome = await run('call', name, ...args)
      if (outcome.ok) throw new Error(`${name} was not refused: ${JSON.stringify(outcome)}`)
      return outcome
    },
    form: (name, fields, ...args) => run('callWithForm', name, fields, ...args),
    post: (path, body) => run('post', path, body),
    login: (email, password) => run('login', email, password),
    signedIn: (token) => run('signedIn', token),
    say: (draft) => run('say', draft) as ReturnType<Tab['say']>,
    ask: (draft) => run('ask', draft),
    follow: (path) => run('follow', path),
    watched,
    async whole (key) {
      await until(async () => (await watched(key)).isOver, 10_000)
      return await watched(key)
    },
    close: (key) => run('close', key),
    shown: (text) => run('shown', text),
    another: () => openTab(context, url),
  }
}
