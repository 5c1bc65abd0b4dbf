import type { PolicyDocument } from '../config/schema.js'
import type { Report } from './compile.js'
import type { AccessRules } from './contract.js'
import { checkNetworks } from './networks.js'
import { pointerOf } from './pointers.js'
import { unwritten, type UnsetAt } from './unwritten.js'

const NOTICE_EVERY_MS = 60_000

interface Findings { readonly report: Report, readonly warnings: string[], readonly unsetAt: UnsetAt }

/** Makes the lists of who is always refused, never punished, or solely let in. */
export function compileAccess (
  { allow = {}, deny = {}, exempt = {} }: PolicyDocument, { report, warnings, unsetAt }: Findings
): AccessRules {
  checkNetworks(deny.addresses ?? [], ['deny', 'addresses'], report)
  checkNetworks(exempt.addresses ?? [], ['exempt', 'addresses'], report)
  const { notice } = allow
  if (allow.required === true) warnings.push(...emptyLists(allow, unsetAt))
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
    allowNotice: notice && {
      message: notice.message,
      everyMs: notice.every ?? NOTICE_EVERY_MS,
      chat: (notice.chat ?? []).map((pointer, index) => pointerOf(pointer, ['allow', 'notice', 'chat', index], report)),
    },
  }
}

function emptyLists (allow: NonNullable<PolicyDocument['allow']>, unsetAt: UnsetAt): string[] {
  return (['users', 'groups'] as const).filter((list) => (allow[list] ?? []).length === 0).map((list) =>
    `${unwritten(['allow', list], unsetAt)} names nobody, and none of the ${list} gets in; * lets everybody in`)
}
