import type { Cluster, Redis } from 'ioredis'

export type { RedisSettings } from '../../redis-settings.js'

/** A connection to Redis, whatever its topology. */
export type RedisClient = Redis | Cluster

/** Everything of ours that speaks to one Redis. */
export interface RedisLink {
  readonly isCluster: boolean
  /**
   * For the request path: no offline queue, nothing is sent a second time, one connection (a Cluster: one a node).
   * A call rejects at once while there is no connection.
   */
  readonly fast: RedisClient
  /**
   * For work that nobody's request waits for: waits for the connection, within bounds (some attempts, at most ~10 s), and
   * sends again what was under way when the connection broke: only for what may happen twice.
   */
  readonly calm: RedisClient
  /**
   * One more connection, for commands that block for at most 10 s at a time; closed with the link. It waits for the
   * connection, but rejects what was under way when that broke.
   */
  openBlocking (): RedisClient
  /**
   * The name of a key: `<prefix>portcullis:1:{<tag>}<rest>`. Keys of one tag lie on one node of a Cluster. The tag is
   * the subject (`user:42`) or, for what belongs to nobody, a word (`bans`).
   */
  key (tag: string, rest: string): string
  /**
   * What scripts are given as `now`: the instant itself where tests own the time, else 0, which means the server's own
   * clock, so that instances agree.
   */
  now (instant: number): number
  /** True while the fast connection (of a Cluster: that to any of its masters) is up. */
  readonly isConnected: boolean
  /** Called with each change of `isConnected`. */
  onConnection (listener: (isConnected: boolean) => void): void
  /** Ends all connections. Never rejects. */
  close (): Promise<void>
}
