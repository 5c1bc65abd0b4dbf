import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { RedisSettings } from '../redis-settings.js'
import { readCertificates } from './authorities.js'
import type { Told } from './decode-mistakes.js'
import { show } from './mistake.js'
import type { Findings, Mistake } from './mistake.js'
import { mistakeInMongoUri, mistakeInOptions } from './mongo-uri.js'
import type { Pointers } from './pointers.js'
import { readRedisPlace } from './redis-place.js'
import type { RedisPlace } from './redis-place.js'
import type { PolicyDocument } from './schema.js'
import type { Variable, Variables } from './variables.js'

const URL_PATH = ['store', 'url']
const DEADLINE_MS = 50
/** Between the prefix and the key, as the chat app does it, so that one ACL rule fits both. */
const SEPARATOR = '::'

/** Where state is kept. A change takes a restart. Frozen. */
export interface StoreSettings {
  /** undefined: in memory and in the data directory. */
  readonly redis: RedisSettings | undefined
  /** How long a decision waits for Redis at most. */
  readonly deadlineMs: number
  /** undefined: bans are in the store alone. */
  readonly mongoUri: string | undefined
}

interface StoreContext {
  readonly variables: Variables
  readonly cwd: string
  readonly at: Pointers
  readonly findings: Findings
}

/** `store.url` with what the environment adds to it. What is wrong is added to the mistakes. */
export async function readStores (store: PolicyDocument['store'], context: StoreContext): Promise<StoreSettings> {
  const { variables } = context
  const use = variables.get('USE_REDIS')
  const url = use?.value === false ? undefined : store?.url
  if (url === undefined && use?.value === true) missUrl(use, context)
  return Object.freeze({
    redis: url === undefined ? undefined : await readRedis(url, context),
    deadlineMs: store?.deadline ?? DEADLINE_MS,
    mongoUri: await readMongo(context),
  })
}

/** Names of what changed though only a restart brings it into force. */
export function storeChanges (before: StoreSettings, after: StoreSettings): string[] {
  return [
    ...isDeepStrictEqual(before.redis, after.redis) ? [] : ['store.url or a variable of Redis'],
    ...before.deadlineMs === after.deadlineMs ? [] : ['store.deadline'],
    ...before.mongoUri === after.mongoUri ? [] : ['MONGO_URI'],
  ]
}

/** The chat app does not start like this either; to count in memory instead would be a surprise. */
function missUrl (use: Variable, { variables, findings }: StoreContext): void {
  const isKnown = findings.broken.has(URL_PATH.join('.')) ||
    variables.mistakes.some(({ key }) => key.startsWith('REDIS_URI'))
  const told = { found: 'true', expected: 'REDIS_URI or store.url to say where Redis is, or false' }
  if (!isKnown) findings.mistakes.push(blame(use, told))
}

async function readRedis (url: string, context: StoreContext): Promise<RedisSettings | undefined> {
  const { variables, findings, at } = context
  const ca = await readAuthority(context)
  const keyPrefix = readPrefix(context)
  const place = readRedisPlace(withoutComment(url), {
    isCluster: variables.get('USE_REDIS_CLUSTER')?.value === true,
    report (found, expected, suggestion) {
      const told = { found, expected, ...(suggestion === undefined ? {} : { suggestion }) }
      findings.mistakes.push(at.blame(URL_PATH, told))
    },
  })
  if (place === undefined) return undefined
  return Object.freeze({
    ...place,
    ...readCredentials(place, context),
    // A certificate to check makes no sense without TLS: the chat app too turns it on.
    tls: place.tls || ca !== undefined,
    ca,
    keyPrefix,
  })
}

/** The URI comes first, as with the chat app. */
function readCredentials (place: RedisPlace, { variables, findings, at }: StoreContext) {
  const name = variables.get('REDIS_USERNAME')
  const username = place.username ?? name?.text
  const password = place.password ?? variables.get('REDIS_PASSWORD')?.text.trim()
  if (username !== undefined && password === undefined) {
    const told = { found: 'a user name without a password', expected: 'a password with it, or REDIS_PASSWORD' }
    const isName = place.username === undefined && name !== undefined
    findings.mistakes.push(isName ? blame(name, told) : at.blame(URL_PATH, told))
  }
  return { username, password }
}

function readPrefix ({ variables, findings }: StoreContext): string {
  // Like the chat app's, it may stand in a variable of another name, such as that of a deployment.
  const pointer = variables.get('REDIS_KEY_PREFIX_VAR')?.text.trim()
  const prefix = variables.get('REDIS_KEY_PREFIX') ?? (pointer === undefined ? undefined : variables.get(pointer))
  if (prefix === undefined) return ''
  const text = prefix.text.trim()
  if (!/\s/.test(text)) return `${text}${SEPARATOR}`
  const expected = 'a prefix without blanks, which no ACL rule could name'
  findings.mistakes.push(blame(prefix, { found: prefix.isSecret ? 'a secret' : show(text), expected }))
  return ''
}

async function readAuthority ({ variables, findings, cwd }: StoreContext): Promise<string | undefined> {
  const variable = variables.get('REDIS_CA')
  if (variable === undefined) return undefined
  const { ca, problem } = await readCertificates(resolve(cwd, variable.text))
  if (problem !== undefined) {
    const found = `${show(variable.text)} (${problem})`
    findings.mistakes.push(blame(variable, { found, expected: 'a PEM file of certificates that can be read' }))
  }
  return ca
}

async function readMongo ({ variables, findings }: StoreContext): Promise<string | undefined> {
  const variable = variables.get('MONGO_URI')
  if (variable === undefined) return undefined
  const uri = withoutComment(variable.text)
  const told = mistakeInMongoUri(uri) ?? await mistakeInOptions(uri)
  if (told !== undefined) findings.mistakes.push(blame(variable, told))
  return told === undefined ? uri : undefined
}

/** A blank and what follows it can be no part of a URI: an env file's comment that was passed on. */
function withoutComment (text: string): string {
  return text.trim().replace(/\s+#.*$/s, '')
}

function blame ({ place, key }: Variable, told: Told): Mistake {
  return { ...place, key, ...told }
}
