import type { PolicyDocument } from '../config/schema.js'
import type { Report } from './compile.js'
import type { AccessRules } from './contract.js'
import { checkNetworks } from './networks.js'

const NOTICE_EVERY_MS = 60_000

interface Findings { readonly report: Report, readonly warnings: string[] }

/** Makes the lists of who is always refused, never punished, or solely let in. */
export function compileAccess (
  { allow = {}, deny = {}, exempt = {} }: PolicyDocument, { report, warnings }: Findings
): AccessRules {
  checkNetworks(deny.addresses ?? [], ['deny', 'addresses'], report)
  checkNetworks(exempt.addresses ?? [], ['exempt', 'addresses'], report)
  const { notice } = allow
  if (allow.required === true) warnings.push(...emptyLists(allow))
  return {
    denyUsers: new Set(deny.users),
    denyAddresses: deny.addresses ?? [],
    exemptUsers: new Set((exempt.users ?? []).map((user) => user.includes('@') ? user.toLowerCase() : user)),
    exemptAddresses: exempt.addresses ?? [],
    exemptSkipsLimits: exempt.skipLimits ?? false,
    exemptUserAgents: (exempt.userAgents ?? []).map((part) => part.toLowerCase()),
    allowUsers: new Set(allow.users),
    allowGroups: new Set(allow.groups),
    allowRequired: allow.required ?? false,
    allowNotice: notice && { message: notice.message, everyMs: notice.every ?? NOTICE_EVERY_MS },
  }
}

function emptyLists ({ users = [], groups = [] }: NonNullable<PolicyDocument['allow']>): string[] {
  return [
    ...users.length > 0 ? [] : ['allow.users is empty: no user gets in, set ALLOWED_USER_IDS (* lets everybody in)'],
    ...groups.length > 0 ? [] : ['allow.groups is empty: no group gets in, set ALLOWED_GROUP_IDS (* lets every group in)'],
  ]
}
