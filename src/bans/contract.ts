/** A stored refusal of a subject until an instant. Instants in epoch milliseconds. */
export interface Ban {
  /** `user:42`, `ip:203.0.113.9`, `ip:2001:db8::/64`, `ip:10.0.0.0/8`. */
  readonly subject: string
  /** Violation type that led to it; `manual` for an operator's. */
  readonly violation: string
  /** Score at the moment of the ban; 0 for an operator's. */
  readonly score: number
  readonly createdAt: number
  /** When it was last placed again, if that was later. A lift ends what was placed until then, and nothing else. */
  readonly renewedAt?: number
  /** null = for ever. */
  readonly expiresAt: number | null
  /** `backend`: the backend's own, which holds here too. */
  readonly source: 'auto' | 'admin' | 'mongo' | 'backend'
  /** Subjects banned by the same violation: a user's addresses and his other name, or the user of an address's ban. */
  readonly linked: readonly string[]
  readonly note?: string
  /** The incarnation of the MongoDB collection that acknowledged this ban's document; absent: none has yet. */
  readonly recorded?: string
  /** Of the backend's own: tells its record as it was taken over from any other, also from what it is changed to. */
  readonly row?: string
  /** Of the backend's own: the record that an operator lifted. While it is the one in `row`, the ban holds nobody. */
  readonly liftedRow?: string
}

/** That a subject's ban was lifted, remembered for a day so that no store or replica brings it back. */
export interface BanLift {
  readonly subject: string
  /** Epoch milliseconds: bans placed until then are gone. */
  readonly liftedAt: number
  /** Who lifted, for those who are told. */
  readonly by: string
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
  remove (lifts: readonly BanLift[]): Promise<void>
  /** Drops bans that ran out. No lift: one that another instance made longer meanwhile stays. */
  forget (subjects: readonly string[]): Promise<void>
  /** The latest lift of this subject that is remembered: only what is placed after it holds. undefined: none. */
  liftedAt (subject: string): number | undefined
  /**
   * For a store that others write too: keeps telling the replica of their changes, until the store is closed. Called
   * once, after `load`. Resolves when the replica is complete, or when the store is away: then it catches up by itself.
   */
  follow? (replica: BanReplica): Promise<void>
}

/** The book, as a shared store sees it. */
export interface BanReplica {
  /** Every ban that is in memory. */
  readonly all: Iterable<Ban>
  get (subject: string): Ban | undefined
  /**
   * Changes that others made, or that the store decided on: in force when this returns, told to listeners as `remote`,
   * not handed back to the store. A placed ban replaces the one in memory, since the store has merged it; only what
   * the store has not been told of yet is merged in or, if it is a lift, wins by its instant.
   */
  apply (changes: BanChanges): void
}

export interface BanChanges {
  readonly placed: readonly Ban[]
  readonly lifted: readonly BanLift[]
}

/**
 * Told to everybody who must act on it: open connections, admin events. `remote`: another instance made the change;
 * `imported`: what was lifted is the backend's own ban of the subject, one of ours may stand on.
 */
export type BanEvent =
  | { readonly kind: 'placed', readonly ban: Ban, readonly remote: boolean }
  | {
    readonly kind: 'lifted'
    readonly subject: string
    readonly by: string
    readonly remote: boolean
    readonly imported?: true
  }

/**
 * Which verified users were lately seen on which address, and which were banned there: what the shared-address
 * guard goes by. `address` is the `ip:` subject; what is forgotten makes an address look less shared.
 */
export interface AddressUsers {
  /** Cheap enough for every request: it waits for nothing. */
  seen (address: string, userId: string, now: number): void
  banned (address: string, userId: string, now: number): void | Promise<void>
  /** Users seen on the address at or after `since`, without `besides`. */
  seenSince (
    address: string, since: number, besides: string | undefined
  ): readonly string[] | Promise<readonly string[]>
  /** How many different users were banned on the address at or after `since`. */
  bannedSince (address: string, since: number): number | Promise<number>
}

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

/**
 * All bans in memory, the store behind it. Subjects may come in any spelling of an address. A user may have two bans,
 * ours and the backend's own: the later end holds. The latter is placed and lifted as `importedSubject(id)`; what is
 * found, listed and told of has `user:…` all the same.
 */
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
  /**
   * Gone from memory when this returns; resolves when durable, with all subjects lifted: none when there was no ban.
   * Lifting a user also ends the backend's own ban of him, until the backend's record changes or is written anew.
   */
  lift (subject: string, options: LiftOptions): Promise<readonly string[]>
  /** The ban in force of exactly this subject, as it is kept. */
  get (subject: string): Ban | undefined
  /** When the subject was last lifted, as far as that is remembered; 0: not at all. */
  liftedAt (subject: string): number
  /** Every ban in memory as it is kept, for those who keep them elsewhere too. Some may have run out, or be pardoned. */
  readonly all: Iterable<Ban>
  /** Notes that the ban's document was acknowledged, if the ban still stands. Tells nobody; resolves when durable. */
  markRecorded (subject: string, recorded: string): Promise<void>
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
