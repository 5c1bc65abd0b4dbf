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
    const written = child(child(policy, 'store') ?? policy, 'url')
    if (written !== undefined && variables.get('USE_REDIS')?.value === false) {
      warnings.push('store.url is set, but USE_REDIS is false: state is kept in memory')
    }
  }
  if (settings.mongoUri === undefined) {
    warnings.push('no MONGO_URI: bans are listed by portcullis bans')
    if (document.bans?.importFromBackend === true) {
      warnings.push('bans.importFromBackend is true, but without MONGO_URI no bans of the backend are found')
    }
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
