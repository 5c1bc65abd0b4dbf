/** Anything that a reader could see. */
const VISIBLE = /[^\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u

/** Whether a text says anything: blanks and invisible characters alone do not. */
export function isSaid (text: string): boolean {
  return VISIBLE.test(text)
}
