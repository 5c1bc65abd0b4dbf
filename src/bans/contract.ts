/** A stored refusal of a subject until an instant. Instants in epoch milliseconds. */
export interface Ban {
  /** `user:42`, `ip:203.0.113.9`, `ip:2001:db8::/64`, `ip:10.0.0.0/8`. */
  readonly subject: string
  /** Violation type that led to it; `manual` for an operator's. */
  readonly violation: string
  /** Score at the moment of the ban; 0 for an operator's. */
  readonly score: number
  readonly createdAt: number
  /** null = for ever. */
  readonly expiresAt: number | null
  readonly source: 'auto' | 'admin' | 'mongo'
  /** Subjects banned by the same violation: the addresses of a user's ban, the user of an address's ban. */
  readonly linked: readonly string[]
  readonly note?: string
}

/**
 * Where bans survive. The book of bans is in memory on every instance; a store feeds it and is fed by it.
 */
export interface BanStore {
  /** All bans that are kept, once, at start. Expired ones may be among them. */
  load (): Promise<readonly Ban[]>
  /** Resolves once the bans (all of `current`, `changed` being new or replaced) would survive `kill -9`. */
  save (changed: readonly Ban[], current: Iterable<Ban>): Promise<void>
  /** Resolves once the lifted subjects would stay lifted after `kill -9`. */
  remove (subjects: readonly string[], current: Iterable<Ban>): Promise<void>
}

/** Told to everybody who must act on it: open connections, admin events. */
export type BanEvent =
  | { readonly kind: 'placed', readonly ban: Ban }
  | { readonly kind: 'lifted', readonly subject: string, readonly by: string }
