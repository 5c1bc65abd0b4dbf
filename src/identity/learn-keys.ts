import type { KnownKeys } from './api-keys.js'
import type { IdentityRequest, KeyAnswer } from './contract.js'
import { textsAt } from './places.js'
import type { Source } from './source.js'

const PAGE = /^\s*(?:text\/html|application\/xhtml\+xml)\b/i

interface Learning { readonly known: KnownKeys, readonly answer: KeyAnswer }

/**
 * Learns the API key that the backend took. With several in one request nobody can say which one it was: none is learnt.
 * Nor from an answer that is given before anybody looks at a key: to OPTIONS (cors), the app's page, and whatever the
 * backend may have read as another route.
 */
export function confirmKeys (sources: readonly Source[], request: IdentityRequest, { known, answer }: Learning): void {
  if (!isGoodAnswer(answer)) return
  const ids = new Set<string>()
  for (const source of sources) {
    if (!source.takesKeys) continue
    for (const text of textsAt(source.head, request)) {
      const id = source.keyIdOf(text)
      if (id !== undefined) ids.add(id)
    }
  }
  const [only] = ids
  if (only !== undefined && ids.size === 1) known.add(only)
}

function isGoodAnswer ({ method, status, contentType = '', isCertain }: KeyAnswer): boolean {
  return isCertain && status >= 200 && status < 300 && method !== 'OPTIONS' && method !== 'HEAD' && !PAGE.test(contentType)
}
