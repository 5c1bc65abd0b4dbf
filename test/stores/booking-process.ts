/** A gateway's stores in a process of their own, to be killed: books, bans and suspends, and says on standard output when. */
import { openDataDir } from '../../src/stores/data-dir.js'
import { createMemoryStores } from '../../src/stores/memory/memory-stores.js'
import { banOf } from '../contract/bans.js'
import { bookingOf, breachFor } from '../contract/limiters.js'
import { infractionOf, messageOf } from '../contract/suspensions.js'

const log = { info () {}, warn () {}, error () {} }
const say = (word: string): void => { process.stdout.write(`${word}\n`) }

try {
  const { path } = await openDataDir(process.argv[2] ?? '')
  const stores = await createMemoryStores({ dataDir: path, clock: () => Date.now(), log, retentionMs: 86_400_000 })
  say('open')
  process.stdin.on('data', (data) => {
    for (const word of data.toString().trim().split('\n')) act(word).then(() => say(word), () => say('failed'))
  })

  async function act (word: string): Promise<void> {
    if (word === 'book') await stores.scores.book(bookingOf(breachFor(), Date.now()))
    if (word === 'ban') await stores.bans.save([banOf('user:42')])
    if (word === 'note') await stores.suspensions.note(messageOf(Date.now()))
    if (word === 'suspend') await stores.suspensions.suspend(infractionOf(Date.now()))
  }
} catch (error) {
  say(`refused ${(error as Error).message}`)
}
