import { SignJWT } from 'jose'

/** Secrets of this run's tokens; nothing else knows them. */
export const JWT_SECRET = 'a secret of the benchmark, for nothing else'
export const JWT_REFRESH_SECRET = 'another secret of the benchmark, for nothing else'

/** Documentation addresses (RFC 5737), told by X-Forwarded-For. */
export const BANNED = '203.0.113.9'
const WELCOME = '203.0.113.10'

const BODY_BYTES = 2048
const CONNECTIONS = 32

/**
 * What is asked of every candidate. `ours`: which of our gateways answers; `banned`: the requests that Portcullis and
 * nginx get come from the banned address, while bare Fastify, which knows no bans, proxies them.
 */
export const SCENARIOS = {
  get: { about: 'GET without limits, 1 KiB JSON answer', method: 'GET', path: '/api/convos' },
  post: { about: '2 KiB JSON on a route with limits by address and user', method: 'POST', path: '/api/agents/chat/steer' },
  plain: { about: 'the same body, generic preset without limits', method: 'POST', path: '/api/agents/chat/steer', ours: 'generic' },
  message: { about: 'the same body as a chat message: limits, body read, slot taken and given back', method: 'POST', path: '/api/agents/chat' },
  reject: { about: 'GET from a banned address, answered 403', method: 'GET', path: '/api/convos', banned: true },
  c1: { about: 'get on one connection', method: 'GET', path: '/api/convos', connections: 1 },
}

export function connectionsOf ({ connections = CONNECTIONS }) {
  return connections
}

/** What a browser sends to the chat app, with tokens that verify. */
export async function requestHeaders ({ method = 'GET', banned = false } = {}) {
  const user = { id: '665f1c2ab7e4d90012ab34cd', username: 'bench', provider: 'local', email: 'bench@chat.example' }
  const bearer = await signed(user, JWT_SECRET)
  const refresh = await signed({ id: user.id, sessionId: '665f1c2ab7e4d90012ab34ce' }, JWT_REFRESH_SECRET)
  return {
    'X-Forwarded-For': banned ? BANNED : WELCOME,
    'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
    Accept: 'application/json, text/plain, */*',
    'Accept-Language': 'en-US,en;q=0.9',
    'Accept-Encoding': 'gzip, deflate, br, zstd',
    Origin: 'https://chat.example',
    Referer: 'https://chat.example/c/new',
    Authorization: `Bearer ${bearer}`,
    Cookie: `connect.sid=s%3A${'abcdef0123'.repeat(8)}; refreshToken=${refresh}`,
    ...(method === 'POST' ? { 'Content-Type': 'application/json' } : {}),
  }
}

/** A chat message as the chat app's page posts it; undefined where the method has no body. */
export function requestBody ({ method }) {
  if (method !== 'POST') return undefined
  const head = '{"endpoint":"openAI","model":"gpt-4o","conversationId":"2f6b","text":"'
  const tail = '"}'
  return head + 'lorem ipsum '.repeat(200).slice(0, BODY_BYTES - head.length - tail.length) + tail
}

function signed (claims, secret) {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setIssuedAt().setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))
}
