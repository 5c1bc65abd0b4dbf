import { isAddressRule } from '../identity/identity.js'
import type { DocumentPath, Report } from './compile.js'

/** Names of groups of networks that may stand where a CIDR does. */
const NETWORK_NAMES: readonly string[] = ['loopback', 'private', 'linklocal']

/** Reports every entry of a list that is neither an address, a CIDR, nor a known name. */
export function checkNetworks (list: readonly string[], path: DocumentPath, report: Report): void {
  for (const text of list) {
    if (isAddressRule(text)) continue
    report(path, JSON.stringify(text), `an address, a CIDR, or one of ${NETWORK_NAMES.join(', ')}`, NETWORK_NAMES)
  }
}
