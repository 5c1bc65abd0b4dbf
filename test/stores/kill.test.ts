import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { DataDirError, openDataDir } from '../../src/stores/data-dir.js'
import { freshDir, openStores } from './open-stores.js'

const PROCESS = fileURLToPath(new URL('booking-process.ts', import.meta.url))

/** A process that holds the directory, and what it says line by line. */
function startProcess (t: Test, dir: string) {
  // Node strips the types; the paths end in .js, which the test runner's loader understands.
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, PROCESS, dir], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  return {
    tell: (word: string) => { child.stdin?.write(`${word}\n`) },
    heard: async () => String((await lines.next()).value),
    async kill () {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** What a killed process would leave behind of the scores. */
function scoresIn (dir: string): Promise<string> {
  return readFile(join(dir, 'violations.json'), 'utf8').catch(() => '')
}

t.test('one process a directory; after kill -9 the next gets in, finds bans and suspensions at once and the scores within a second', async (t) => {
  const dir = await freshDir(t)
  const first = startProcess(t, dir)
  t.equal(await first.heard(), 'open')
  const error = await openDataDir(dir).then(() => undefined, (error: unknown) => error)
  t.type(error, DataDirError)
  t.match((error as Error).message, dir)
  t.match((error as Error).message, /in use by another.*DATA_DIR/s)

  for (let i = 0; i < 3; i++) {
    first.tell('book')
    t.equal(await first.heard(), 'book')
  }
  const bookedAt = performance.now()
  const takenMs = () => performance.now() - bookedAt
  while (takenMs() < 5000 && !(await scoresIn(dir)).includes('"score":3')) await sleep(10)
  const tookMs = takenMs()
  t.ok(tookMs < 1000, `on disk after ${Math.round(tookMs)} ms`)
  for (const word of ['ban', 'note', 'suspend']) {
    first.tell(word)
    t.equal(await first.heard(), word)
  }
  await first.kill()

  const next = await openDataDir(dir)
  t.equal(next.path, dir)
  const stores = await openStores(t, { dataDir: dir })
  t.match(await stores.bans.load(), [{ subject: 'user:42' }])
  t.match(await stores.scores.list('user:42'), [{ score: 3, total: 3 }])
  t.match(await stores.suspensions.find('user:42', Date.now()), { reason: 'content' })
  t.match(await stores.suspensions.get('user:42'), { level: 1, messagesTotal: 1 })
  next.close()
})

t.test('a directory is locked once, also within one process, until it is closed', async (t) => {
  const dir = await freshDir(t)
  const first = await openDataDir(dir)
  await t.rejects(openDataDir(dir), DataDirError)
  first.close()
  first.close()
  const second = await openDataDir(dir)
  second.close()
})

t.test('a directory that cannot be made or written is a clear error', async (t) => {
  const dir = await freshDir(t)
  const file = join(dir, 'file')
  await writeFile(file, '')
  for (const path of [file, join(file, 'below')]) {
    await t.rejects(openDataDir(path), { name: 'DataDirError', message: /cannot be written.*DATA_DIR/s })
  }
  await writeFile(join(dir, 'lock.db'), 'not a database, and long enough to look like one'.repeat(50))
  await t.rejects(openDataDir(dir), { name: 'DataDirError', message: /cannot be locked.*lock\.db/ })
})
