import type { Pulse } from './bans-remote.js'

/** Where an instance stands in the changes that Redis tells of. */
export interface Position {
  readonly generation: string
  readonly syncedAt: number
  /** Number and id of the last change that was taken in. */
  seq: number
  id: string
  /** The number at which the last pulse found us behind Redis; undefined: we were not. */
  stuckAt: number | undefined
}

/** False when Redis has other data than it had, or the stream does not bring what it should. */
export function isOnTrack (position: Position, { generation, seq }: Pulse): boolean {
  if (generation !== position.generation || seq < position.seq) return false
  const stuckAt = seq > position.seq ? position.seq : undefined
  const isStuck = stuckAt !== undefined && stuckAt === position.stuckAt
  position.stuckAt = stuckAt
  return !isStuck
}
