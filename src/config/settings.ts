import { resolve } from 'node:path'
import type { Variables } from './variables.js'

/** Wiring of the process, from the environment. Frozen. */
export interface Settings {
  readonly gateway: { readonly host: string, readonly port: number }
  readonly admin: {
    readonly host: string
    readonly port: number
    /** undefined: one is made and kept in the data directory. */
    readonly token: string | undefined
    /** Absolute path of the file of named tokens. */
    readonly tokenListFile: string | undefined
    readonly allowedHosts: readonly string[]
  }
  /** Absolute. */
  readonly dataDir: string
  readonly preset: string
  /** Absolute; undefined: the preset alone. */
  readonly policyFile: string | undefined
  /** False: nothing says where the backend is, so the demo backend stands in. */
  readonly upstreamGiven: boolean
}

interface Facts {
  readonly cwd: string
  readonly preset: string
  readonly policyFile: string | undefined
  readonly upstreamGiven: boolean
}

export function readSettings (variables: Variables, { cwd, ...facts }: Facts): Settings {
  const text = (name: string) => variables.get(name)?.text
  const number = (name: string, fallback: number) => Number(text(name) ?? fallback)
  const tokenListFile = text('ADMIN_TOKEN_LIST')
  return Object.freeze({
    ...facts,
    gateway: Object.freeze({ host: text('GATEWAY_HOST') ?? '0.0.0.0', port: number('GATEWAY_PORT', 8080) }),
    admin: Object.freeze({
      host: text('ADMIN_HOST') ?? '127.0.0.1',
      port: number('ADMIN_PORT', 9090),
      token: text('ADMIN_TOKEN'),
      tokenListFile: tokenListFile === undefined ? undefined : resolve(cwd, tokenListFile),
      allowedHosts: Object.freeze(text('ADMIN_ALLOWED_HOSTS')?.split(',') ?? []),
    }),
    dataDir: resolve(cwd, text('DATA_DIR') ?? 'data'),
  })
}
