import { chain } from '../chain.js'
import type { Check, Exchange } from '../exchange.js'
import { subjectOf } from '../identity/contract.js'
import { followPointer } from '../json-pointer.js'
import type { NotAllowedVerdict } from '../verdict/verdict.js'
import type { Access } from './access.js'

const MESSAGE = 'Not authorized'
/** Of the id of a chat, as it is kept. */
const LONGEST_ID = 128

export interface AllowCheckOptions {
  /** What happens to requests of nobody: `pass` where people must be able to sign in, and the backend answers 401. */
  readonly anonymous: 'pass' | 'refuse'
  /** Where not every refusal is told; undefined: each is. */
  readonly notice?: AllowNotice | undefined
}

export interface AllowNotice {
  readonly message: string
  /** Where the body names the chat that would read it, the first that does; else it is the group, or the user. */
  readonly chat: readonly (readonly string[])[]
  /** Whether this chat (`chat:…`, `group:…`, `user:…`) has not been told lately; if not, it is now. */
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
    const chat = chatOf(exchange, notice)
    return chain(chat !== undefined && notice.shouldTell(chat), (isTold) => isTold ? refusal : silent)
  }
}

/** Who would read it; undefined: nobody, or a group in which nobody asked. */
function chatOf ({ identity, isTrigger, json }: Exchange, { chat }: AllowNotice): string | undefined {
  if (identity.group !== undefined && !isTrigger) return undefined
  for (const pointer of chat) {
    const id = followPointer(json, pointer)
    if (isChatId(id)) return `chat:${id}`
  }
  return subjectOf(identity.group === undefined ? 'user' : 'group', identity)
}

function isChatId (id: unknown): id is number | string {
  return typeof id === 'string' ? id !== '' && id.length <= LONGEST_ID : Number.isSafeInteger(id)
}
