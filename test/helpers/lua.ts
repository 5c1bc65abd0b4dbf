import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineScript, type Script } from '../../src/stores/redis/scripts.js'
import type { Teardown } from './backends.js'

/** A script of one or several files, as they would lie beside their caller; the files are gone with the test. */
export async function writeScript (t: Teardown, ...fragments: string[]): Promise<Script> {
  const dir = await mkdtemp(join(tmpdir(), 'lua-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const files = await Promise.all(fragments.map(async (text, index) => {
    const file = join(dir, `${index}.lua`)
    await writeFile(file, text)
    return pathToFileURL(file)
  }))
  return defineScript('test', files)
}
