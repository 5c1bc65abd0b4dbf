import { chain } from '../chain.js'
import type { Check, Exchange } from '../exchange.js'
import { subjectOf } from '../identity/contract.js'
import type { NotAllowedVerdict } from '../verdict/verdict.js'
import type { Access } from './access.js'

const MESSAGE = 'Not authorized'

export interface AllowCheckOptions {
  /** What happens to requests of nobody: `pass` where people must be able to sign in, and the backend answers 401. */
  readonly anonymous: 'pass' | 'refuse'
  /** Where not every refusal is told; undefined: each is. */
  readonly notice?: AllowNotice | undefined
}

export interface AllowNotice {
  readonly message: string
  /** Whether this chat (`group:…`, `user:…`) has not been told lately; if not, it is now. */
  shouldTell (subject: string): boolean | Promise<boolean>
}

/** Lets in only who is on the allowlist, where there is one. Passive messages of a group are never told. */
export function createAllowCheck (access: Access, { anonymous, notice }: AllowCheckOptions): Check {
  const refusal: NotAllowedVerdict =
    { kind: 'not-allowed', rule: 'allow', status: 403, message: notice?.message ?? MESSAGE }
  const silent: NotAllowedVerdict = { ...refusal, silent: true }
  return (exchange) => {
    const { identity } = exchange
    if (access.isAllowed(identity)) return undefined
    const nobody = identity.users.length === 0 && identity.group === undefined
    if (nobody && anonymous === 'pass') return undefined
    if (notice === undefined) return refusal
    const chat = chatOf(exchange)
    return chain(chat !== undefined && notice.shouldTell(chat), (isTold) => isTold ? refusal : silent)
  }
}

/** Who would read it; undefined: nobody, or a group in which nobody asked. */
function chatOf ({ identity, isTrigger }: Exchange): string | undefined {
  if (identity.group !== undefined) return isTrigger ? subjectOf('group', identity) : undefined
  return subjectOf('user', identity)
}
