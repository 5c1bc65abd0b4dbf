import type { RedisSettings } from '../redis-settings.js'
import { parseRedisUri } from './redis-uri.js'
import type { RedisUri, ReportUri } from './redis-uri.js'

/** A comma before a scheme; others stand within a URI. */
const between = /,\s*(?=[a-z][a-z\d+.-]*:\/\/)/i

/** What the addresses alone say. */
export type RedisPlace = Omit<RedisSettings, 'ca' | 'keyPrefix'>

export interface PlaceOptions {
  /** A single address is a node of a Cluster. */
  readonly isCluster: boolean
  readonly report: ReportUri
}

/** One URI, or those of several nodes of a Cluster with commas between. Undefined: something was reported. */
export function readRedisPlace (text: string, { isCluster, report }: PlaceOptions): RedisPlace | undefined {
  let isWrong = false
  const tell: ReportUri = (...mistake) => {
    isWrong = true
    report(...mistake)
  }
  const texts = text.split(between).map((part) => part.trim().replace(/,$/, ''))
  const uris = texts.flatMap((one) => parseRedisUri(one, tell) ?? [])
  const [first] = uris
  if (first === undefined) return undefined
  const place = placeOf(first, { uris, isCluster })
  if (!isWrong) checkTogether(uris, { place, isCluster, report: tell })
  return isWrong ? undefined : place
}

function placeOf (first: RedisUri, { uris, isCluster }: { uris: readonly RedisUri[], isCluster: boolean }): RedisPlace {
  const { scheme, addresses, ...rest } = first
  const isSentinel = scheme.endsWith('+sentinel')
  return {
    topology: isSentinel ? 'sentinel' : isCluster || uris.length > 1 ? 'cluster' : 'standalone',
    addresses: Object.freeze(uris.flatMap((one) => one.addresses.map((address) => Object.freeze(address)))),
    tls: scheme.startsWith('rediss'),
    ...rest,
  }
}

interface Together { readonly place: RedisPlace, readonly isCluster: boolean, readonly report: ReportUri }

/** What only all of them together show. */
function checkTogether (uris: readonly RedisUri[], { place, isCluster, report }: Together): void {
  const schemes = [...new Set(uris.map(({ scheme }) => `${scheme}://`))]
  const several = 'redis+sentinel://HOST:PORT,HOST:PORT/NAME'
  if (schemes.length > 1) {
    report(`${schemes.join(' and ')} side by side`, 'one scheme in front of all addresses')
  } else if (place.topology === 'sentinel') {
    if (isCluster) report('sentinels', 'no sentinels where USE_REDIS_CLUSTER is true')
    if (uris.length > 1) report('several addresses of sentinels', `one that names them all: ${several}`)
  } else if (uris.some(({ addresses }) => addresses.length > 1)) {
    report('an address without a scheme', `${schemes[0]} in front of each address of a Cluster`)
  }
  const database = uris.find((one) => one.database > 0)?.database
  if (place.topology === 'cluster' && database !== undefined) {
    report(`the database ${database}`, 'none, since a Cluster has only one')
  }
  if (!uris.every((one) => isSignIn(one, place))) {
    report('different credentials', 'the same for all addresses, or only with the first')
  }
}

function isSignIn ({ username, password }: RedisUri, place: RedisPlace): boolean {
  const isAbsent = username === undefined && password === undefined
  return isAbsent || (username === place.username && password === place.password)
}
