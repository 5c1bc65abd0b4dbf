import { jsonReply } from './bodies.js'
import type { Dialect } from './contract.js'
import { EXPIRED_REFRESH_COOKIE, librechatDetails, messageOf, shownInfo } from './details.js'

/** JSON that the resumable generations of LibreChat and Hanzo Chat show to the person. */
export const librechatJson: Dialect = {
  readsBody: () => false,
  expiredCookie: EXPIRED_REFRESH_COOKIE,
  render: (verdict, context) => jsonReply(verdict.status, {
    message: messageOf(verdict),
    ...librechatDetails(verdict, context),
    ...shownInfo(verdict),
    requestId: context.requestId,
  }),
}
