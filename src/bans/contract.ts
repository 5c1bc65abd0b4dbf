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
 * Where bans survive. The book of bans enforces from memory: it reads the store at start and tells it of every change.
 * What has not been told of stays as it was.
 */
export interface BanStore {
  /** All bans that are kept, once, at start. Expired ones may be among them. */
  load (): Promise<readonly Ban[]>
  /** Keeps each of the bans, in place of its subject's if there is one. Resolves once they would survive `kill -9`. */
  save (bans: readonly Ban[]): Promise<void>
  /** Resolves once the bans of these subjects would stay gone after `kill -9`; unknown subjects are no mistake. */
  remove (subjects: readonly string[]): Promise<void>
}

/** Told to everybody who must act on it: open connections, admin events. */
export type BanEvent =
  | { readonly kind: 'placed', readonly ban: Ban }
  | { readonly kind: 'lifted', readonly subject: string, readonly by: string }

export interface FindOptions {
  /** Look past bans that the policy placed by itself: they do not hold while automatic bans are off. */
  readonly manualOnly: boolean
}

export interface LiftOptions {
  /** Also lift the address bans that this user's ban caused; true when absent. */
  readonly linked?: boolean
  /** Who lifts, for those who are told. */
  readonly by: string
}

/** All bans in memory, the store behind it. Subjects may come in any spelling of an address. */
export interface BanBook {
  /** Reads the store and begins to sweep. Rejects when the store cannot be read: better no start than a start without bans. */
  start (): Promise<void>
  /**
   * The ban that turns a request away: of the first banned user, else of the address (the narrowest network).
   * An empty address is not looked at. Synchronous; nothing is allocated for who is not banned.
   */
  find (users: readonly { readonly id: string }[], address: string, now: number, options?: FindOptions): Ban | undefined
  /**
   * In force when this returns; resolves when durable. Merges with a ban that stands (see `mergeBans`).
   * Throws for a subject that cannot be banned and for an end that is neither finite nor null.
   */
  place (bans: readonly Ban[]): Promise<void>
  /** What a refusal must wait for: the ban is on its way to the disk. undefined: it is there. */
  durable (ban: Ban): Promise<void> | undefined
  /** Gone from memory when this returns; resolves when durable, with all subjects lifted: none when there was no ban. */
  lift (subject: string, options: LiftOptions): Promise<readonly string[]>
  /** The ban in force of exactly this subject. */
  get (subject: string): Ban | undefined
  /** A page of the bans in force, newest first; undefined when the cursor is none of ours. */
  list (query?: BanQuery): BanPage | undefined
  /** Tells of every placed and lifted ban (not of those that ran out) until the answer is called. */
  on (listener: (event: BanEvent) => void): () => void
  /** Drops what has run out and writes what could not be written. Called by a timer. */
  sweep (): void
  /** Ends the timer and writes what is under way. */
  close (): Promise<void>
  /** Bans in memory. */
  readonly size: number
  /** Changes that are not yet durable. */
  readonly backlog: number
}

export interface BanQuery {
  /** A user's id. */
  readonly user?: string
  /** An address: every ban that holds for it. A CIDR: the ban of exactly it. */
  readonly ip?: string
  /** `next` of the page before. */
  readonly cursor?: string
  /** 100 when absent. */
  readonly limit?: number
}

export interface BanPage {
  readonly bans: readonly Ban[]
  /** Where the next page begins; undefined: this was the last. */
  readonly next: string | undefined
}
