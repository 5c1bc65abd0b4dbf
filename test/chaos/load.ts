/** Requests at a steady rate, whatever becomes of those before. */
import { Agent } from 'undici'
import type { Test } from 'tap'
import { bearer, type Gateway } from './stage.js'

const TICK_MS = 10
/** Many, so that buckets lie on every node of a Cluster. */
const USERS = 50
const CONNECTIONS = 200
/** What is asked, in turns. */
const MIX = ['local', 'open', 'closed', 'banned', 'plain', 'local', 'open', 'closed', 'plain', 'offend'] as const

export type Kind = typeof MIX[number]

export interface Sent {
  readonly kind: Kind
  /** By `performance.now()`. */
  readonly at: number
  /** Until the end of the answer. */
  readonly ms: number
  /** 0: there was no answer. */
  readonly status: number
}

export interface Load {
  readonly sent: readonly Sent[]
  /** Who offends from now on; resolves with how often the one before did, when all those are answered. */
  nextOffender (user: string): Promise<number>
  /** One more request beside the load. */
  ask (gateway: Gateway, path: string, user: string): Promise<Answer>
}

export interface Answer { readonly status: number, readonly body: string }

/** Begins at once and ends with the test. `banned` is who stands behind the requests of that kind. */
export function startLoad (
  t: Test, gateways: readonly Gateway[], { perSecond, banned }: { perSecond: number, banned: string }
): Load {
  const agent = new Agent({ connections: CONNECTIONS, bodyTimeout: 0 })
  const users = Array.from({ length: USERS }, (_, index) => bearer(`user-${index}`))
  const bannedUser = bearer(banned)
  const sent: Sent[] = []
  let offender = { headers: bearer('nobody'), count: 0, pending: new Set<Promise<void>>() }

  async function ask (gateway: Gateway, path: string, headers: Record<string, string>): Promise<Answer> {
    const answer = await agent.request({ origin: gateway.url, path, method: 'GET', headers })
    return { status: answer.statusCode, body: await answer.body.text() }
  }

  async function send (kind: Kind, index: number): Promise<void> {
    const gateway = gateways[Math.floor(index / MIX.length + index) % gateways.length]
    const user = users[Math.floor(index / MIX.length) % USERS]
    if (gateway === undefined || user === undefined) return
    const headers = kind === 'banned' ? bannedUser : kind === 'offend' ? offender.headers : user
    const at = performance.now()
    const { status } = await ask(gateway, kind === 'banned' ? '/local' : `/${kind}`, headers).catch(() => ({ status: 0 }))
    sent.push({ kind, at, ms: performance.now() - at, status })
  }

  let begun = 0
  const startedAt = performance.now()
  const timer = setInterval(() => {
    const due = Math.floor((performance.now() - startedAt) * perSecond / 1000)
    for (; begun < due; begun++) {
      const kind = MIX[begun % MIX.length] ?? 'local'
      const done = send(kind, begun)
      if (kind === 'offend') noteOffence(offender, done)
    }
  }, TICK_MS)
  t.teardown(async () => {
    clearInterval(timer)
    await agent.destroy()
  })

  return {
    sent,
    async nextOffender (user) {
      const { pending, ...former } = offender
      offender = { headers: bearer(user), count: 0, pending: new Set() }
      await Promise.all(pending)
      return former.count
    },
    ask: (gateway, path, user) => ask(gateway, path, bearer(user)),
  }
}

function noteOffence (offender: { count: number, readonly pending: Set<Promise<void>> }, done: Promise<void>): void {
  offender.count++
  offender.pending.add(done)
  done.finally(() => offender.pending.delete(done)).catch(() => {})
}
