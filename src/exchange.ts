import type { IncomingHttpHeaders } from 'node:http'
import type { Identity } from './identity/contract.js'
import type { Decision } from './limits/contract.js'
import type { Policy } from './policy/contract.js'
import type { Plan } from './policy/plan-contract.js'
import type { BodyChange } from './rewriting/contract.js'
import type { Target } from './policy/target.js'
import type { Verdict } from './verdict/verdict.js'

/** A client's connection: whoever waits long on its behalf looks whether it is still there. */
export interface ClientConnection {
  /** It has left. */
  readonly destroyed: boolean
  once (event: 'close', listener: () => void): unknown
  off (event: 'close', listener: () => void): unknown
}

/** One request on its way through the rooms. Made once, in `gateway/admit.ts`; rooms read it and write only what is marked. */
export interface Exchange {
  /** Request id: ours, or the client's when a trusted proxy vouches for it. */
  readonly id: string
  /** Epoch milliseconds. */
  readonly receivedAt: number
  readonly method: string
  readonly target: Target
  readonly headers: IncomingHttpHeaders
  /** Name, value, name, value, … as they came. */
  readonly rawHeaders: readonly string[]
  /** A WebSocket handshake. */
  readonly upgrade: boolean
  readonly connection: ClientConnection
  /** The policy that was in force when the request came; it keeps it. */
  readonly policy: Policy
  /** What this policy asks of this request. */
  readonly plan: Plan
  /** Completed once, by the gateway, where an identity stands in the body. */
  identity: Identity
  /** True: exempt from scores, suspensions and bans (still limited unless `skipLimits`). */
  exempt: boolean
  /** Path parameters of the matching entry, undecoded, as the first matching reading has them. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** The whole body, once a check asked for it. Written by the gateway. */
  body: Buffer | undefined
  /** That body as JSON; undefined when it is none. Parsed once, by the gateway. */
  json: unknown
  /** That body as a form, its single texts alone; undefined when it is none. Parsed once, by the gateway. */
  form: Readonly<Record<string, string>> | undefined
  /** All texts of that form, or of a multipart one, by field; undefined where nothing looks for prompts. */
  fields: ReadonlyMap<string, readonly string[]> | undefined
  /** The model that the body asks for, folded, where somebody is counted by it; empty: none. Written by the gateway. */
  model: string
  /** Where the limiters stand, for the rate headers; undefined: none was asked. Written by the limits check. */
  decision: Decision | undefined
  /** Verdicts that observe mode recorded instead of enforcing. Written by the guard. */
  observed: Verdict[]
  /** False: it passes uncounted and unchecked, since the route's `when` says that it costs nothing. Written by the gateway. */
  isTrigger: boolean
  /** What the backend gets otherwise than it came; undefined: nothing. Written by `noteEdits` and `tellBackend`. */
  change: BodyChange | undefined
}

/** True for the exempt where the policy spares them the limits too. */
export function skipsLimits ({ exempt, policy }: Exchange): boolean {
  return exempt && policy.access.exemptSkipsLimits
}

/** A check looks at an exchange and answers a verdict, or nothing. It answers synchronously when it can. */
export type Check = (exchange: Exchange) => Verdict | undefined | Promise<Verdict | undefined>

/** Learns how an answer went, to settle what only the answer can tell. */
export interface AnswerObserver {
  /**
   * The head of the backend's answer. `body: true` asks to see the bytes that follow.
   * Called at most once; never for a request that was refused before forwarding.
   */
  onHead (status: number, headers: IncomingHttpHeaders): { body: boolean }
  /** A piece of the answer's body as it came (still content-encoded); only when asked for. Must not keep it waiting. */
  onData? (chunk: Buffer): void
  /**
   * Exactly once, whatever happened. `complete`: the whole answer passed; `aborted`: the client left;
   * `failed`: the backend could not be reached, reset, or cut its answer short.
   */
  onEnd (outcome: 'complete' | 'aborted' | 'failed'): void
}

/** Made per exchange by what a route wants to learn from answers; undefined: nothing to learn here. */
export type ObserveAnswer = (exchange: Exchange) => AnswerObserver | undefined
