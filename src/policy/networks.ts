import ipaddr from 'ipaddr.js'
import type { DocumentPath, Report } from './compile.js'

/** Names of groups of networks that may stand where a CIDR does. */
export const NETWORK_NAMES: readonly string[] = ['loopback', 'private', 'linklocal']

/** Reports every entry of a list that is neither an address, a CIDR, nor a known name. */
export function checkNetworks (list: readonly string[], path: DocumentPath, report: Report): void {
  for (const text of list) {
    if (NETWORK_NAMES.includes(text) || ipaddr.isValid(text) || ipaddr.isValidCIDR(text)) continue
    report(path, JSON.stringify(text), `an address, a CIDR, or one of ${NETWORK_NAMES.join(', ')}`, NETWORK_NAMES)
  }
}
