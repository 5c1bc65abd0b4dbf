/**
 * `violations.json` of an instance on Redis: what Redis knows, fetched every minute, over what the file held at the
 * start. For people and their tools; nothing is decided by it.
 */
import { join } from 'node:path'
import type { Clock } from '../../clock.js'
import { readOwnFile } from '../../files/own-file.js'
import { createSavedFile } from '../../files/saved-file.js'
import type { Log } from '../../log.js'
import type { ScoreRecord } from '../../violations/contract.js'
import { createScoreTable } from '../memory/score-table.js'
import { parseViolations, renderViolations } from '../memory/violations-file.js'

const FILE = 'violations.json'
const REFRESH_EVERY_MS = 60_000
/** Changes written down by an instance whose clock is behind, or on their way at the last look. */
const OVERLAP_MS = 10_000

export interface ScoreMirrorOptions {
  /** Records of the subjects whose scores changed at or after an instant; every one for 0. */
  changedSince (since: number): Promise<readonly ScoreRecord[]>
  readonly dataDir: string
  readonly clock: Clock
  readonly log: Log
  readonly retentionMs: number
}

export interface ScoreMirror {
  /** Fetches and writes now; rejects when Redis or the disk is away. */
  refresh (): Promise<void>
  /** Fetches a last time, if Redis answers, and writes. Never rejects. */
  close (): Promise<void>
}

export async function createScoreMirror (options: ScoreMirrorOptions): Promise<ScoreMirror> {
  const { changedSince, dataDir, clock, log } = options
  const path = join(dataDir, FILE)
  const table = createScoreTable(options)
  for (const record of await readOwnFile({ path, parse: parseViolations, clock, log }) ?? []) table.put(record)
  const file = createSavedFile({ path, render: () => renderViolations(table.snapshot()), delayMs: 0, log })
  let fetchedAt = 0

  async function refresh (): Promise<void> {
    const now = clock()
    const records = await changedSince(Math.max(0, fetchedAt - OVERLAP_MS))
    fetchedAt = now
    for (const record of records) table.put(record)
    await file.save()
  }

  // What fails is tried again in a minute; the store itself has told that it is away.
  const refreshing = setInterval(() => { refresh().catch(() => {}) }, REFRESH_EVERY_MS).unref()
  return {
    refresh,
    close: async () => {
      clearInterval(refreshing)
      await refresh().catch(() => {})
      await file.close()
    },
  }
}
