/** How a sign-in names an account, and how the backend's answer says whose it is. JSON pointers, parsed. */
export interface AccountRule {
  /** The e-mail in the request; in a form, the field of the pointer's last part. */
  readonly email: readonly string[]
  /** In the answer to a sign-in that succeeded. */
  readonly learnEmail: readonly string[]
  readonly learnId: readonly string[]
}

/** Knows whose account an e-mail names. E-mails are folded as the backend folds them: trimmed, lower case. */
export interface AccountDirectory {
  /** The user's id; undefined: nobody that we know. */
  idOf (email: string): string | undefined | Promise<string | undefined>
  learn (email: string, id: string): void
}

export function foldEmail (text: string): string {
  return text.trim().toLowerCase()
}
