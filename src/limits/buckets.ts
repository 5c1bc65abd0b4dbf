import type { Exchange } from '../exchange.js'
import { userSubject } from '../identity/contract.js'
import type { Limiter, LimiterKey } from './contract.js'

/**
 * The bucket in which a limiter counts this request: `ip:203.0.113.9`, `user:42`, `ip:…+user:42`, `global`;
 * undefined when it does not count it, since a part of its key is missing.
 *
 * On a route whose answer needs a sign-in, those who send no valid credential get buckets of their own
 * (`anonymous:ip:…`), so that they cannot use up what their neighbours on the address signed in for.
 */
export function bucketOf (limiter: Limiter, exchange: Exchange): string | undefined {
  const parts: string[] = []
  for (const key of limiter.key) {
    const part = partOf(key, limiter, exchange)
    if (part === undefined) return undefined
    if (!parts.includes(part)) parts.push(part)
  }
  const bucket = parts.length === 1 ? parts[0] as string : parts.join('+')
  return isApart(limiter, exchange) ? `anonymous:${bucket}` : bucket
}

function partOf (key: LimiterKey, { anonymous }: Limiter, { identity }: Exchange): string | undefined {
  switch (key) {
    case 'ip': return identity.client.subject
    case 'user':
      if (identity.user !== undefined) return userSubject(identity.user.id)
      return anonymous === 'ip' ? identity.client.subject : undefined
    case 'group': return identity.group === undefined ? undefined : `group:${identity.group}`
    case 'global': return 'global'
  }
}

function isApart ({ key }: Limiter, { identity, plan }: Exchange): boolean {
  return plan.authRequired && identity.user === undefined && key.includes('ip')
}
