/** One update is counted once and reaches the bot once, whatever happens on the way. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from '../helpers/backends.js'
import { saidBy, startStage } from './stage.js'
import * as update from './updates.js'

const hour = 3_600_000

t.test('an update that Telegram delivers twice is counted once and reaches the bot once', async (t) => {
  const { deliver, reached, clock } = await startStage(t, { env: { GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE: '2' } })
  const content = update.inPrivate('Hi')
  t.equal((await deliver(content, 7)).left, 1)
  for (let n = 0; n < 3; n++) t.match(await deliver(content, 7), { status: 200, text: '', left: undefined })
  t.match(await deliver(update.inPrivate('Another'), 8), { status: 200, left: 0 })
  t.equal(reached(), 2)
  clock.advance(23 * hour)
  await deliver(content, 7)
  t.equal(reached(), 2, 'for a day')
  clock.advance(2 * hour)
  await deliver(content, 7)
  t.equal(reached(), 3)
})

t.test('free updates are delivered once, too', async (t) => {
  const { deliver, reached } = await startStage(t)
  for (const [n, content] of [update.inGroup('Chatter'), update.channelPost('News'), ...Object.values(update.unlisted)].entries()) {
    const before = reached()
    for (let times = 0; times < 2; times++) t.equal((await deliver(content, 100 + n)).status, 200)
    t.equal(reached(), before + 1)
  }
})

t.test('a bot that is down or breaks is delivered to again, and the message counts once', async (t) => {
  const { bot, deliver, reached } = await startStage(t, { env: { GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE: '1' } })
  await bot.stop()
  for (let n = 0; n < 3; n++) t.equal((await deliver(update.inPrivate('Hi'), 7)).status, 502)
  await bot.start()
  for (let n = 0; n < 2; n++) t.equal((await deliver(update.inPrivate('crash'), 8)).status, 500)
  t.equal(reached(), 2)
  t.match(await deliver(update.inPrivate('Hi'), 7), { status: 200, left: 0 }, 'the budget of one was still whole')
  t.match(saidBy(await deliver(update.inPrivate('Hi'), 9)), { method: 'sendMessage' }, 'now it is used up')
  t.equal(reached(), 3)
})

t.test('a second delivery waits for the first, and no longer', async (t) => {
  const { bot, deliver, reached } = await startStage(t)
  const first = Promise.withResolvers<undefined>()
  bot.busy = first.promise
  const answers = [deliver(update.inPrivate('Slow'), 7)]
  t.ok(await until(() => reached() === 1))
  answers.push(deliver(update.inPrivate('Slow'), 7))
  await sleep(50)
  t.equal(reached(), 1)
  const began = performance.now()
  first.resolve(undefined)
  t.match(await Promise.all(answers), [{ status: 200 }, { status: 200, text: '' }])
  t.ok(performance.now() - began < 240, 'the second one is told at once')
  t.equal(reached(), 1)

  const second = Promise.withResolvers<undefined>()
  bot.busy = second.promise
  const both = [deliver(update.inPrivate('crash'), 8)]
  t.ok(await until(() => reached() === 2))
  both.push(deliver(update.inPrivate('Hi'), 8))
  await sleep(50)
  second.resolve(undefined)
  t.match(await Promise.all(both), [{ status: 500 }, { status: 200 }], 'the first one failed: the second one goes on')
  t.equal(reached(), 3)
})

t.test('a refused update is not remembered: it may come once more', async (t) => {
  const { deliver, reached, clock } = await startStage(t, { env: { GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE: '1' } })
  await deliver(update.inPrivate('Hi'), 7)
  await deliver(update.inPrivate('Hi'), 8)
  t.equal(reached(), 1)
  clock.advance(61_000)
  await deliver(update.inPrivate('Hi'), 8)
  t.equal(reached(), 2)
})

t.test('what was delivered is known after a restart', async (t) => {
  const first = await startStage(t)
  await first.deliver(update.inPrivate('Hi'), 7)
  await first.close()
  const { bot, clock, dataDir } = first
  const { deliver, reached } = await startStage(t, { bot, clock, dataDir })
  t.match(await deliver(update.inPrivate('Hi'), 7), { status: 200, text: '' })
  t.equal(reached(), 1)
})
