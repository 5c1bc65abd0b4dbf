const AT = '@'

/** A name as it is compared: in lower case, without `@` in front. */
export function readName (text: string): string {
  const name = text.startsWith(AT) ? text.slice(1) : text
  return name.toLowerCase()
}

/** Whether a value of a body is that name, which `readName` has read. */
export function isNamed (value: unknown, name: string): boolean {
  // Longer texts are not even folded.
  return typeof value === 'string' && value.length <= name.length + 1 && readName(value) === name
}
