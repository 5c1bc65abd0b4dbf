import type { Policy } from '../../src/policy/contract.js'
import { createRouteTable } from '../../src/policy/route-table.js'

/**
 * What a policy asks of `METHOD /path`, in words: limiters, browser check, auth, slot, what it releases, credentials of
 * the route alone, outcomes, forgiveness, login, dialect unless the usual.
 */
export function createAsked (policy: Policy): (request: string) => string {
  const table = createRouteTable(policy.routes)
  return (request) => {
    const [method = '', path = ''] = request.split(' ')
    const [entry] = table.match(method, path)?.entries ?? []
    if (entry === undefined) return ''
    const { releases } = entry
    return [
      ...entry.limiters.map(({ name }) => name),
      entry.browserOnly === 'off' ? '' : entry.browserOnly,
      entry.authRequired ? 'auth' : '',
      entry.concurrency === undefined ? '' : 'slot',
      releases === undefined ? '' : ['releases', releases.on, releases.param].filter(Boolean).join(':'),
      ...entry.identity.map(({ apiKey }) => apiKey === undefined ? 'token' : 'key'),
      ...entry.outcomes.map(({ name }) => name),
      entry.forgiveMs === 0 ? '' : `forgives:${entry.forgiveMs}`,
      entry.login ? 'login' : '',
      entry.reply === 'librechat-json' ? '' : entry.reply,
    ].filter((word) => word !== '').join(' ')
  }
}
