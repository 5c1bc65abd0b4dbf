import type { Writable } from 'node:stream'

/** What a command knows of the process that runs it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable
}
