import type { DocumentPath } from './compile.js'

/** The unset variable for which a key counts as not written: `TELEGRAM_BOT_USERNAME`. */
export type UnsetAt = (path: DocumentPath) => string | undefined

/** A key that is not written, as warnings name it: `allow.users (ALLOWED_USER_IDS is unset)`. */
export function unwritten (path: DocumentPath, unsetAt: UnsetAt): string {
  const variable = unsetAt(path)
  return variable === undefined ? path.join('.') : `${path.join('.')} (${variable} is unset)`
}
