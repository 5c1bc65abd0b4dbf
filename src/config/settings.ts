import { resolve } from 'node:path'
import { logLevels } from './catalogue.js'
import type { StoreSettings } from './store-settings.js'
import type { Variables } from './variables.js'

export type LogLevel = (typeof logLevels)[number]

/** Wiring of the process that the environment alone decides. Frozen. */
export interface ProcessSettings {
  readonly logLevel: LogLevel
  readonly gateway: { readonly host: string, readonly port: number }
  readonly admin: {
    readonly host: string
    readonly port: number
    /** undefined: one is made and kept in the data directory. */
    readonly token: string | undefined
    /** Absolute path of the file of named tokens. */
    readonly tokenListFile: string | undefined
    readonly allowedHosts: readonly string[]
    /** Where our own commands reach the listener; undefined: at its host and port on this machine. */
    readonly url: string | undefined
  }
  /** Absolute. */
  readonly dataDir: string
}

/** All wiring of the process. Frozen. */
export interface Settings extends ProcessSettings {
  readonly store: StoreSettings
  readonly preset: string
  /** Absolute; undefined: the preset alone. */
  readonly policyFile: string | undefined
  /** False: nothing says where the backend is, so the demo backend stands in. */
  readonly upstreamGiven: boolean
}

/** Relative paths start at `cwd`. What is wrong is among the variables' mistakes. */
export function readSettings (variables: Variables, cwd: string): ProcessSettings {
  const text = (name: string) => variables.get(name)?.text
  const number = (name: string, fallback: number) => Number(text(name) ?? fallback)
  const tokenListFile = text('ADMIN_TOKEN_LIST')
  return Object.freeze({
    logLevel: logLevels.find((level) => level === text('LOG_LEVEL')) ?? 'info',
    gateway: Object.freeze({ host: text('GATEWAY_HOST') ?? '0.0.0.0', port: number('GATEWAY_PORT', 8080) }),
    admin: Object.freeze({
      host: text('ADMIN_HOST') ?? '127.0.0.1',
      port: number('ADMIN_PORT', 9090),
      token: text('ADMIN_TOKEN'),
      tokenListFile: tokenListFile === undefined ? undefined : resolve(cwd, tokenListFile),
      allowedHosts: Object.freeze(text('ADMIN_ALLOWED_HOSTS')?.split(',') ?? []),
      url: text('PORTCULLIS_ADMIN_URL'),
    }),
    dataDir: resolve(cwd, text('DATA_DIR') ?? 'data'),
  })
}
