/** A key of another type, or a script that stumbled over what stands in one; 6.2 wraps each error of a script in one of its own. */
const OF_A_KEY = /^WRONGTYPE\b|\buser_script\b/
/** What a server says of itself, or of us, whichever key we name. */
const OF_THE_SERVER = new RegExp([
  /\b(?:OOM|READONLY|MISCONF|LOADING|BUSY|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|NOSCRIPT|NOAUTH|NOPERM)\b/,
  /run this command|[Uu]nknown (?:Redis )?command|access (?:at least one of )?the keys/,
].map(({ source }) => source).join('|'))

/**
 * Whether an error comes from the data of single keys, as when others have written into ours. The server is well then,
 * and answers everybody else.
 */
export function isOfOneKey (error: unknown): boolean {
  return error instanceof Error && OF_A_KEY.test(error.message) && !OF_THE_SERVER.test(error.message)
}
