import fc from 'fast-check'
import t from 'tap'
import { createRouteTable } from '../../src/policy/route-table.js'
import { parseTarget } from '../../src/policy/target.js'
import { routeEntries } from './example-routes.js'
import { startRoutingBackends, type RoutingBackend } from './routing-backends.js'

/**
 * What must have been counted when a handler is reached (one of these); the other handlers are free. A router's `/*`
 * also answers at its bare mount, which find-my-way's does not: a policy names both.
 */
const limited: Readonly<Record<string, readonly string[]>> = {
  login: ['POST /api/auth/login'],
  reset: ['POST /api/auth/requestPasswordReset'],
  chat: ['POST /api/agents/chat/:endpoint'],
  stream: ['GET /api/agents/chat/stream/:id'],
  ask: ['POST /api/ask/*', 'POST /api/ask'],
  files: ['POST /api/files'],
  filesAny: ['POST /api/files/*'],
  share: ['GET /api/share/:shareId']
}
/** Entries with fewer checks, which more specific patterns and exclusions lead to. */
const free = ['POST /api/ask/:endpoint/abort', 'POST /api/files/speech/tts', 'POST /api/agents/chat/stop/']

const table = createRouteTable(routeEntries(
  ...Object.values(limited).flat().filter((match) => !match.endsWith(':endpoint')),
  ['POST /api/agents/chat/:endpoint', { endpoint: ['abort', 'stop'] }],
  ...free
))

/** Each with the handler that it means, as every backend agrees. */
const plain: readonly [string, string, string][] = [
  ['POST', '/api/auth/login', 'login'],
  ['POST', '/api/auth/requestPasswordReset', 'reset'],
  ['POST', '/api/auth/refresh', 'refresh'],
  ['POST', '/api/agents/chat/abort', 'abort'],
  ['POST', '/api/agents/chat/stop', 'stop'],
  ['POST', '/api/agents/chat/openAI', 'chat'],
  ['GET', '/api/agents/chat/stream/b3b0c5c2', 'stream'],
  ['POST', '/api/ask/openAI', 'ask'],
  ['POST', '/api/ask/openAI/abort', 'askAbort'],
  ['POST', '/api/files', 'files'],
  ['POST', '/api/files/images/avatar', 'filesAny'],
  ['POST', '/api/files/speech/tts', 'tts'],
  ['GET', '/api/share/x1', 'share'],
  ['GET', '/api/config', 'config'],
]

/** Replaces the n-th (modulo) place that the pattern finds. */
const at = (pattern: RegExp, replace: (found: string, extra: number) => string) =>
  (path: string, n: number, extra: number): string => {
    const places = [...path.matchAll(pattern)]
    const place = places[n % Math.max(places.length, 1)]
    if (place === undefined) return path
    return path.slice(0, place.index) + replace(place[0], extra) + path.slice(place.index + place[0].length)
  }

const escape = (found: string) => `%${found.charCodeAt(0).toString(16).padStart(2, '0')}`
const oneOf = (...spellings: string[]) => (_found: string, extra: number) => spellings[extra % spellings.length] ?? ''

/** Ways to spell a path otherwise; weights by how often each stands here. */
const spellings = [
  at(/[a-zA-Z]/g, (found) => found === found.toLowerCase() ? found.toUpperCase() : found.toLowerCase()),
  at(/[^/]+/g, (found) => found.toUpperCase()),
  at(/(?<!%.?)[a-zA-Z]/g, escape),
  at(/(?<!%.?)[a-zA-Z]/g, (found) => escape(found).toUpperCase()),
  at(/(?<!%.?)[a-zA-Z]/g, (found) => escape(found).replace('%', '%25')),
  at(/\//g, oneOf('//', '///', '/./', '/%2e/', '/.%2E/', '/x/../', '/x/%2e%2e/', '/;/', '/..;/', '/x/..;a/', '//../')),
  at(/\//g, oneOf('%2f', '%2F', '%5c', '%252f', '/%2f', '%2f/', '/%5c')),
  at(/[^/]+/g, (found, extra) => found + oneOf(';x=1', ';', '%3b', ';a/b', '%3Bx', '?q', '%3f', '%23')('', extra)),
  at(/$/g, oneOf('/', '//', '/.', '/..', '/x/..', '%2f', '/%2e', '%0a', '%20', ';', ';/x', '/;x', '%3fx', '?x=%zz', '/abort', '%00')),
  at(/^/g, oneOf('//host', '/x/..', '/', '/.', '/%2e', '//host//', '/..', '/host/%2e%2e', '///h')),
  at(/^/g, oneOf('http://host', 'https://host:8080', 'HTTP://[::1]:80', 'http://user@host', 'ftp://host')),
  at(/k/g, () => '%E2%84%AA'),
  at(/s/g, () => '%c5%bf'),
  at(/(?<!%.?)[a-z]/g, () => '%C4%B0'),
  at(/abort|stop|tts|speech/g, (found) => found[0]?.toUpperCase() + found.slice(1)),
]

const spelled = fc.tuple(
  fc.constantFrom(...plain),
  fc.array(fc.tuple(fc.constantFrom(...spellings), fc.nat(40), fc.nat(40)), { minLength: 1, maxLength: 4 })
).map(([[method, path], steps]) =>
  [method, steps.reduce((spelling, [respell, n, extra]) => respell(spelling, n, extra), path)] as const)

/** What a backend behind the gateway would reach without having been counted; undefined: nothing. */
async function slipsThrough (backend: RoutingBackend, method: string, url: string): Promise<string | undefined> {
  const target = parseTarget(url)
  const match = target && table.match(method, target.path)
  if (target === undefined || match === undefined) return undefined
  const handler = await backend.ask(method, target.raw)
  const needed = limited[handler ?? '']
  if (needed === undefined || match.entries.some((entry) => needed.includes(entry.match))) return undefined
  return `${backend.name}: ${method} ${url} reaches ${handler} without ${needed.join(' or ')}`
}

await t.test('what every backend routes for generated spellings has been counted', async (t) => {
  const backends = await startRoutingBackends(t)
  let reached = 0
  const property = fc.asyncProperty(spelled, async ([method, url]) => {
    const slips = await Promise.all(backends.map(async (backend) => await slipsThrough(backend, method, url)))
    reached += slips.length
    const [slip] = slips.filter((one) => one !== undefined)
    if (slip !== undefined) throw new Error(slip)
  })
  const report = await fc.check(property, { numRuns: 2000, interruptAfterTimeLimit: 20_000 })
  t.notOk(report.failed, fc.defaultReportMessage(report) ?? 'no spelling slips through')
  t.ok(reached > 1000, `${reached} questions asked`)
})

await t.test('plain spellings lead every backend to its handler and us to its entry alone', async (t) => {
  const backends = await startRoutingBackends(t)
  for (const [method, path, handler] of plain) {
    for (const backend of backends) t.equal(await backend.ask(method, path), handler, `${backend.name} ${path}`)
    const needed = limited[handler]
    const entries = table.match(method, path)?.entries.map(({ match }) => match) ?? []
    t.same(entries.filter((match) => !free.includes(match)), needed?.slice(0, 1) ?? [], path)
  }
})
