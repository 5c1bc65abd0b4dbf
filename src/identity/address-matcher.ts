import { LRUCache } from 'lru-cache'
import { familyOf, maskAddress, parseNetwork, readAddress, type Network } from './address.js'

const ANSWERS_KEPT = 10_000

/** Names that may stand in a list of networks. `private` is RFC 1918 and the unique local addresses of IPv6. */
const GROUPS: Readonly<Record<string, readonly string[] | undefined>> = {
  loopback: ['127.0.0.0/8', '::1'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  'link-local': ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['fc00::/7'],
}

/** All networks of one length, so that a list costs as many look-ups as it has lengths, however long it is. */
interface Level { readonly family: 4 | 6, readonly bits: number, readonly bases: Set<string> }

/** True for what may stand in a list of addresses: an address, a CIDR, or a name such as `private`. */
export function isAddressRule (text: string): boolean {
  return Object.hasOwn(GROUPS, text) || parseNetwork(text) !== undefined
}

/**
 * Compiles a list of addresses, CIDRs and names.
 * @returns a test for addresses in any spelling; what is not an address matches nothing.
 * @throws TypeError when an entry is none of the three.
 */
export function createAddressMatcher (list: readonly string[]): (address: string) => boolean {
  const levels = levelsOf(list.flatMap((text) => GROUPS[text] ?? [text]).map(networkOrThrow))
  if (levels.length === 0) return () => false
  const answers = new LRUCache<string, boolean>({ max: ANSWERS_KEPT })
  return (text) => {
    const known = answers.get(text)
    if (known !== undefined) return known
    const address = readAddress(text)
    if (address === undefined) return false
    const answer = matches(levels, address)
    answers.set(text, answer)
    return answer
  }
}

function networkOrThrow (text: string): Network {
  const network = parseNetwork(text)
  if (network === undefined) throw new TypeError(`${JSON.stringify(text)} is neither an address nor a CIDR`)
  return network
}

function levelsOf (networks: readonly Network[]): Level[] {
  const levels = new Map<string, Level>()
  for (const { family, bits, base } of networks) {
    const level = levels.get(`${family}/${bits}`) ?? { family, bits, bases: new Set() }
    level.bases.add(base)
    levels.set(`${family}/${bits}`, level)
  }
  return [...levels.values()]
}

function matches (levels: readonly Level[], address: string): boolean {
  const family = familyOf(address)
  return levels.some((level) => level.family === family && level.bases.has(maskAddress(address, level.bits)))
}
