import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createMemoryStores, type MemoryStoreOptions, type MemoryStores } from '../../src/stores/memory/memory-stores.js'

/** Lines that were logged: level, message and details. */
export interface LoggedLine { readonly level: string, readonly message: string, readonly details: object }

export function collectLog () {
  const lines: LoggedLine[] = []
  const collect = (level: string) => (details: object, message: string) => { lines.push({ level, message, details }) }
  return { lines, log: { info: collect('info'), warn: collect('warn'), error: collect('error') } }
}

export async function freshDir (t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'portcullis-stores-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export async function openStores (t: Test, part: Partial<MemoryStoreOptions> = {}): Promise<MemoryStores> {
  const dataDir = part.dataDir ?? await freshDir(t)
  const stores = await createMemoryStores({
    clock: () => Date.now(), log: collectLog().log, retentionMs: 90 * 86_400_000, ...part, dataDir,
  })
  t.teardown(() => stores.close())
  return stores
}
