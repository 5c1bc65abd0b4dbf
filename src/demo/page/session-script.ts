/**
 * Who is signed in, requests with his token, and refusals put into words.
 * The access token lives in memory only; a reload gets a new one with the refresh cookie.
 */
export const sessionScript = String.raw`
const byId = (id) => document.getElementById(id)
const session = { token: undefined, user: undefined, refreshing: undefined }

/** Refusals are thrown: the sentence for the person stands in message. */
class Refusal extends Error {
  constructor (status, body, retryAfter) {
    super(sentenceFor(status, body, retryAfter))
    this.status = status
    this.type = body.type
  }
}

/** JSON in, JSON out. An expired token is renewed once, unseen. */
async function call (path, { method = 'GET', body, isRetry = false } = {}) {
  const response = await send(path, { method, body })
  if (response.status === 401 && !isRetry && await refresh()) return call(path, { method, body, isRetry: true })
  if (!response.ok) throw await refusalOf(response)
  return response.json()
}

function send (path, { method = 'GET', body } = {}) {
  const headers = session.token === undefined ? {} : { authorization: 'Bearer ' + session.token }
  const isForm = body instanceof FormData
  if (body !== undefined && !isForm) headers['content-type'] = 'application/json'
  return reach(path, { method, headers, body: body === undefined || isForm ? body : JSON.stringify(body) })
}

function reach (path, options) {
  return fetch(path, options).catch(() => { throw new Error('The server cannot be reached.') })
}

/** One refresh at a time, however many requests found the token expired. */
function refresh () {
  session.refreshing ??= askForToken().finally(() => { session.refreshing = undefined })
  return session.refreshing
}

async function askForToken () {
  session.token = undefined
  const response = await reach('/api/auth/refresh', { method: 'POST' })
  const body = await jsonOf(response)
  if (body.type === 'ban') throw new Refusal(response.status, body)
  if (!response.ok || typeof body.token !== 'string') return false
  session.token = body.token
  session.user = body.user
  return true
}

async function refusalOf (response) {
  return new Refusal(response.status, await jsonOf(response), response.headers.get('retry-after'))
}

async function jsonOf (response) {
  const text = await response.text()
  try {
    const body = JSON.parse(text)
    return typeof body === 'object' && body !== null ? body : {}
  } catch { return {} }
}

function sentenceFor (status, body, retryAfter) {
  const seconds = Number(body.retryAfterSeconds ?? retryAfter)
  const again = seconds > 0 ? ' Try again in ' + durationOf(seconds) + '.' : ''
  if (body.type === 'ban') return banSentence(body)
  if (body.type === 'message_limit' && body.max !== undefined) {
    const minutes = body.windowInMinutes + (body.windowInMinutes === 1 ? ' minute' : ' minutes')
    return 'You hit the message limit: ' + body.max + ' per ' + minutes + '.' + again
  }
  if (body.type === 'concurrent') {
    return 'Too many messages at once (limit ' + body.limit + '). Wait until an answer has ended.'
  }
  if (body.type === 'non_browser') return 'Illegal request: this does not look like a browser.'
  const told = body.message ?? body.detail ?? body.error
  return (typeof told === 'string' ? told : 'The server answered ' + status + '.') + again
}

function banSentence ({ message, reason, expiresAt }) {
  const why = typeof reason === 'string' ? ' Reason: ' + reason.replaceAll('_', ' ') + '.' : ''
  if (expiresAt === null) return message + why + ' It does not end by itself.'
  const until = new Date(expiresAt)
  const isToday = until.toDateString() === new Date().toDateString()
  const told = isToday ? until.toLocaleTimeString() : until.toLocaleString()
  return message + why + (isNaN(until) ? '' : ' It ends at ' + told + '.')
}

function durationOf (seconds) {
  if (seconds < 120) return Math.ceil(seconds) + ' s'
  return Math.ceil(seconds / 60) + ' minutes'
}
`
