import type { Dialect } from './contract.js'
import { EXPIRED_REFRESH_COOKIE, librechatDetails, messageOf } from './details.js'

/** JSON that the resumable generations of LibreChat and Hanzo Chat show to the person. */
export const librechatJson: Dialect = {
  echoesIds: false,
  expiredCookie: EXPIRED_REFRESH_COOKIE,
  render: (verdict, context) => ({
    status: verdict.status,
    headers: [['content-type', 'application/json; charset=utf-8']],
    body: JSON.stringify({
      message: messageOf(verdict),
      ...librechatDetails(verdict, context),
      requestId: context.requestId,
    }),
  }),
}
