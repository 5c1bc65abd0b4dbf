import type { Exchange } from '../exchange.js'
import { isUserSubject, subjectOf } from '../identity/contract.js'
import type { Hit, Limiter, LimiterKey } from './contract.js'

/**
 * The bucket in which a limiter counts this request: `ip:203.0.113.9`, `user:42`, `ip:…+user:42`, `global`;
 * undefined when it does not count it, since it is for others or a part of its key is missing.
 *
 * On a route whose answer needs a sign-in, those who send no valid credential get buckets of their own
 * (`anonymous:ip:…`), so that they cannot use up what their neighbours on the address signed in for.
 */
export function bucketOf (limiter: Limiter, exchange: Exchange): Pick<Hit, 'bucket' | 'subject'> | undefined {
  if (!concerns(limiter, exchange)) return undefined
  const parts: string[] = []
  for (const key of limiter.key) {
    const part = partOf(key, limiter, exchange)
    if (part === undefined) return undefined
    if (!parts.includes(part)) parts.push(part)
  }
  const [first] = parts as [string]
  const bucket = parts.length === 1 ? first : parts.join('+')
  const subject = parts.find(isUserSubject) ?? first
  return { bucket: isApart(limiter, exchange) ? `anonymous:${bucket}` : bucket, subject }
}

/**
 * Guests are users, but no members; the anonymous are neither. Who brings a token that names nobody just now is not
 * counted with the guests: the backend answers him 401, his app renews the token, and nothing was had for it.
 */
function concerns ({ only }: Limiter, { identity: { user, unverified } }: Exchange): boolean {
  if (only === undefined) return true
  const isMember = user !== undefined && user.guest !== true
  return only === 'members' ? isMember : !isMember && unverified !== true
}

/** A guest is his address, so that he and the anonymous there have one quota between them. */
function partOf (key: LimiterKey, { anonymous, only }: Limiter, { identity, model }: Exchange): string | undefined {
  if (key === 'model') return `model:${model}`
  if (key === 'user' && only === 'guests') return identity.client.subject
  const subject = subjectOf(key, identity)
  return subject === undefined && key === 'user' && anonymous === 'ip' ? identity.client.subject : subject
}

function isApart ({ key, only }: Limiter, { identity, plan }: Exchange): boolean {
  return only !== 'guests' && plan.authRequired && identity.user === undefined && key.includes('ip')
}
