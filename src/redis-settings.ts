/**
 * Where Redis is and how to sign in, as the configuration says. It stands between the rooms: configuration makes it,
 * the Redis store takes it, and neither knows the other. Frozen.
 */
export interface RedisSettings {
  /** `sentinel`: the addresses are sentinels, and `masterName` is what they call the master. */
  readonly topology: 'standalone' | 'cluster' | 'sentinel'
  readonly addresses: readonly RedisAddress[]
  readonly masterName: string | undefined
  readonly database: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly sentinelUsername: string | undefined
  readonly sentinelPassword: string | undefined
  readonly tls: boolean
  /** PEM of further authorities. */
  readonly ca: string | undefined
  /** Stands before every key of ours; '' = none. */
  readonly keyPrefix: string
}

/** IPv6 without brackets. */
export interface RedisAddress { readonly host: string, readonly port: number }
