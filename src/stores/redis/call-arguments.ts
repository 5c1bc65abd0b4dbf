/** Keys and arguments of a script that names its keys by their place. */
export interface CallArguments {
  readonly keys: readonly string[]
  readonly args: readonly (string | number)[]
  put (...args: readonly (string | number)[]): void
  /** The place of the key, which is sent once however often it is put. */
  putKey (key: string): void
}

export function createCallArguments (): CallArguments {
  const keys: string[] = []
  const args: (string | number)[] = []
  return {
    keys,
    args,
    put: (...more) => { args.push(...more) },
    putKey (key) {
      const known = keys.indexOf(key)
      args.push(known < 0 ? keys.push(key) : known + 1)
    },
  }
}
