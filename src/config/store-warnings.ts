import type { PolicyDocument } from './schema.js'
import type { StoreSettings } from './store-settings.js'
import { child } from './tree.js'
import type { Tree } from './tree.js'
import type { Variables } from './variables.js'

interface StoreSources {
  /** The policy file alone: what a preset says is nobody's to be warned of. */
  readonly policy: Tree
  readonly document: PolicyDocument
  readonly variables: Variables
}

/** Sentences on what is configured for a store that is not there. */
export function warnOfStores (settings: StoreSettings, { policy, document, variables }: StoreSources): string[] {
  const warnings: string[] = []
  if (settings.redis === undefined) {
    const useless = keysForRedis(policy)
    const [is, they] = useless.length === 1 ? ['is', 'it does'] : ['are', 'they do']
    if (useless.length > 0) warnings.push(`${useless.join(', ')} ${is} set, but without Redis ${they} nothing`)
    warnings.push(...withoutAddress(variables))
    const written = child(child(policy, 'store') ?? policy, 'url')
    if (written !== undefined && variables.get('USE_REDIS')?.value === false) {
      warnings.push('store.url is set, but USE_REDIS is false: state is kept in memory')
    }
  } else warnings.push(...contradictions(policy, variables))
  if (settings.mongoUri === undefined) {
    warnings.push('no MONGO_URI: bans are listed by portcullis bans')
    if (document.bans?.importFromBackend === true) {
      warnings.push('bans.importFromBackend is true, but without MONGO_URI no bans of the backend are found')
    }
  }
  return warnings
}

/** Variables that speak of a Redis which nobody names. */
function withoutAddress (variables: Variables): string[] {
  if (variables.get('USE_REDIS')?.value === false) return []
  const names = ['REDIS_PASSWORD', 'REDIS_USERNAME', 'REDIS_CA', 'REDIS_KEY_PREFIX']
    .filter((name) => variables.get(name) !== undefined)
  if (variables.get('USE_REDIS_CLUSTER')?.value === true) names.unshift('USE_REDIS_CLUSTER')
  return names.length === 0 ? [] : [`${names.join(', ')} set, but no REDIS_URI: state is kept in memory`]
}

function contradictions (policy: Tree, variables: Variables): string[] {
  const warnings: string[] = []
  const [uri, url] = [variables.get('REDIS_URI')?.text.trim(), child(child(policy, 'store') ?? policy, 'url')]
  if (uri !== undefined && url?.kind === 'scalar' && url.variable === undefined && url.text !== uri) {
    warnings.push('REDIS_URI is not used: store.url of the policy file says where Redis is')
  }
  const pointer = variables.get('REDIS_KEY_PREFIX_VAR')?.text.trim()
  if (pointer === undefined) return warnings
  if (variables.get('REDIS_KEY_PREFIX') !== undefined) {
    warnings.push('REDIS_KEY_PREFIX_VAR is not used: REDIS_KEY_PREFIX is set')
  } else if (variables.get(pointer) === undefined) {
    warnings.push(`REDIS_KEY_PREFIX_VAR names ${pointer}, which is not set: keys have no prefix`)
  }
  return warnings
}

function keysForRedis (policy: Tree): string[] {
  const store = ['deadline', 'onFailure'].filter((key) => child(child(policy, 'store') ?? policy, key) !== undefined)
  const rules = ['limiters', 'concurrency'].flatMap((section) => {
    const tree = child(policy, section)
    const names = tree?.kind === 'map' ? [...tree.entries.keys()] : []
    return names.filter((name) => tree !== undefined && child(child(tree, name) ?? tree, 'onFailure') !== undefined)
      .map((name) => `${section}.${name}.onFailure`)
  })
  return [...store.map((key) => `store.${key}`), ...rules]
}
