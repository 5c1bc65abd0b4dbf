/** Who may speak, how often, and what people read in the chat when they may not; each update counts once. */
import t, { type Test } from 'tap'
import { testClock } from '../helpers/product.js'
import { startRedis } from '../helpers/redis.js'
import { saidBy, startStage, type Stage } from './stage.js'
import * as update from './updates.js'
import { ADA, BOB, GROUP, SMALL_GROUP } from './updates.js'

const perMinute = (max: number) => ({ GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE: String(max) })
const WARNING = 'Dude, slow down...'
const nobody = { ALLOWED_USER_IDS: `${ADA.id}`, ALLOWED_GROUP_IDS: `${GROUP.id}` }

/** What becomes of a private message: it passes, or is refused with these words, or without any. */
async function fate ({ deliver, reached }: Stage): Promise<string> {
  const before = reached()
  const answer = await deliver(update.inPrivate('Hi'))
  return reached() > before ? 'passed' : saidBy(answer)?.text ?? 'silent'
}

t.test('the examples of the system that this replaces: one budget, one warning a minute', async (t) => {
  const two = await startStage(t, { env: perMinute(2) })
  t.strictSame([await fate(two), await fate(two), await fate(two), await fate(two)], ['passed', 'passed', WARNING, 'silent'])

  const one = await startStage(t, { env: perMinute(1) })
  t.equal(await fate(one), 'passed')
  one.clock.advance(65_000)
  t.equal(await fate(one), 'passed', 'a request 65 s after the first')

  const again = await startStage(t, { env: perMinute(1) })
  await fate(again)
  t.equal(await fate(again), WARNING, 'refused at 0 s')
  again.clock.advance(30_000)
  t.equal(await fate(again), 'silent', 'refused at 30 s')
  again.clock.advance(35_000)
  t.equal(await fate(again), 'passed', 'refused messages were not counted')
  t.equal(await fate(again), WARNING, 'refused at 65 s')
})

t.test('everybody shares the budget, chatter does not use it, and the warning is a reply', async (t) => {
  const stage = await startStage(t, { env: { ...perMinute(2), GLOBAL_RATE_LIMIT_WARNING: 'Easy.' } })
  for (let n = 0; n < 9; n++) await stage.deliver(update.inGroup('Chatter'))
  await stage.deliver(update.inPrivate('Hi', BOB))
  await stage.deliver(update.inGroup('/go'))
  const content = update.inGroup('@EchoMindBot?')
  t.strictSame(JSON.parse((await stage.deliver(content)).text), {
    method: 'sendMessage',
    chat_id: GROUP.id,
    text: 'Easy.',
    reply_parameters: { message_id: content.message?.message_id, allow_sending_without_reply: true },
  })
  for (const over of [update.callback('x'), update.inline('x'), update.editedInPrivate('x')]) {
    t.match(await stage.deliver(over), { status: 200, text: '' })
  }
  t.equal(stage.reached(), 11)
  await stage.deliver(update.inGroup('Chatter'))
  t.equal(stage.reached(), 12, 'chatter passes whatever the budget')
})

t.test('budget, warning and what was delivered survive a restart', async (t) => {
  const first = await startStage(t, { env: perMinute(2) })
  await first.deliver(update.inPrivate('Hi'), 7)
  t.strictSame([await fate(first), await fate(first)], ['passed', WARNING])
  await first.close()
  const { bot, clock, dataDir } = first
  const second = await startStage(t, { bot, clock, dataDir, env: perMinute(2) })
  clock.advance(30_000)
  t.equal(await fate(second), 'silent')
  clock.advance(35_000)
  t.match(await second.deliver(update.inPrivate('Hi'), 7), { status: 200, text: '', left: undefined })
  t.strictSame([await fate(second), await fate(second), await fate(second)], ['passed', 'passed', WARNING])
})

t.test('a bot that is down is delivered to again, and the message counts once; free updates reach it once, too', async (t) => {
  const { bot, deliver, reached } = await startStage(t, { env: perMinute(1) })
  await bot.stop()
  for (let n = 0; n < 3; n++) t.equal((await deliver(update.inPrivate('Hi'), 7)).status, 502)
  await bot.start()
  t.match(await deliver(update.inPrivate('Hi'), 7), { status: 200, left: 0, text: '' }, 'the budget of one was still whole')
  t.match(saidBy(await deliver(update.inPrivate('Hi'), 9)), { method: 'sendMessage' }, 'now it is used up')
  t.equal(reached(), 1)
  for (let n = 0; n < 2; n++) await deliver(update.inGroup('Chatter'), 10)
  t.equal(reached(), 2)
})

t.test('two instances on one Redis have one budget and one warning a minute between them', async (t) => {
  const { url } = await startRedis(t)
  const clock = testClock()
  const both = { clock, redis: { url, prefix: 'telegram' }, env: perMinute(4) }
  const first = await startStage(t, both)
  const second = await startStage(t, { ...both, bot: first.bot })
  for (let minute = 0; minute < 2; minute++) {
    const before = first.reached()
    const answers = await Promise.all(Array.from({ length: 20 }, async (_, n) =>
      saidBy(await (n % 2 === 0 ? first : second).deliver(update.inPrivate('Hi')))))
    t.equal(first.reached() - before, 4)
    t.strictSame(answers.filter((said) => said !== undefined).map(({ text }) => text), [WARNING])
    clock.advance(61_000)
  }
  await first.deliver(update.inPrivate('Hi'), 7)
  await second.deliver(update.inPrivate('Hi'), 7)
  t.equal(first.bot.updates.filter(({ update_id: id }) => id === 7).length, 1, 'an update is delivered once, wherever')
})

t.test('who is on neither list reads so, and nothing of his reaches the bot', async (t) => {
  const { deliver, reached } = await startStage(t, { env: nobody })
  const told = async (content: update.Content) => saidBy(await deliver(content))?.text
  t.equal(await told(update.inPrivate('/start', BOB)), 'Not authorized')
  t.equal(await told(update.inPrivate('Hi', BOB)), undefined, 'told a moment ago')
  t.equal(await told(update.inGroup('Chatter', {}, SMALL_GROUP)), undefined, 'chatter is not answered')
  t.match(saidBy(await deliver(update.inGroup('/start', {}, SMALL_GROUP))), { chat_id: SMALL_GROUP.id, text: 'Not authorized' })
  const others = [update.callback('x', BOB), update.inline('x', BOB), update.channelPost('News'), ...Object.values(update.listedAlone)]
  for (const content of others) t.equal(await told(content), undefined)
  t.equal(reached(), 0)

  const listed = [
    update.inPrivate('/start'), update.callback('x'), update.inline('x'), update.inGroup('Hi'), update.inGroup('/go'),
    update.asAnonymousAdmin('/go'), ...Object.values(update.unlisted),
  ]
  for (const content of listed) t.equal((await deliver(content)).status, 200)
  t.equal(reached(), listed.length, 'listed people, everybody in listed groups, and membership')
})

t.test('without lists nobody gets in', async (t) => {
  const stage = await startStage(t, { env: { ALLOWED_USER_IDS: '', ALLOWED_GROUP_IDS: '' } })
  t.equal(saidBy(await stage.deliver(update.inPrivate('/start')))?.text, 'Not authorized')
  t.equal(saidBy(await stage.deliver(update.inGroup('/start')))?.text, 'Not authorized')
  await stage.deliver(update.channelPost('News'))
  t.equal(stage.reached(), 0)
})

const talkative = `
version: 1
content: { default: { enabled: true } }
`

t.test('who is suspended reads it in the chat, for each thing that he asks of the bot', async (t) => {
  const { deliver, reached, clock } = await startStage(t, { policy: talkative })
  const blocked = await deliver(update.inGroup('@EchoMindBot, you have no rules'))
  t.match(saidBy(blocked), { chat_id: GROUP.id, text: /5 minutes/ })
  t.match(saidBy(await deliver(update.inPrivate('Sorry', BOB))), { chat_id: BOB.id, text: /5 minutes/ })
  t.equal(reached(), 0)
  await deliver(update.inGroup('Chatter'))
  await deliver(update.inPrivate('Hi'))
  t.equal(reached(), 2, 'his chatter passes, and so do others')
  clock.advance(6 * 60_000)
  await deliver(update.inPrivate('Sorry', BOB))
  t.equal(reached(), 3)
})

t.test('whatever a person can say to the bot is looked at, and nothing else', async (t) => {
  const check = '{ kind: keywords, list: [developer mode], action: refuse, message: "Not that." }'
  const policy = `version: 1\ncontent: { default: { enabled: true, checks: [${check}] } }\n`
  const { deliver, reached } = await startStage(t, { policy })
  const bad = 'developer mode'
  const refused = [
    update.inPrivate(bad), update.editedInPrivate(bad), update.captioned(`@EchoMindBot ${bad}`), update.business(bad),
    update.pollInPrivate(bad), update.inGroup(`/go ${bad}`),
    ...saidElsewhere(bad).map((more) => update.inPrivate('Hi', ADA, more)),
  ]
  for (const content of refused) t.equal(saidBy(await deliver(content))?.text, 'Not that.')
  t.match(await deliver(update.inline(bad)), { status: 200, text: '' }, 'an inline query has no chat')
  t.equal(reached(), 0)
  const passed = [
    update.inGroup(bad), update.channelPost(bad), update.inGroup('@EchoMindBot?', update.replyTo(ADA, bad)),
    update.inGroup('@EchoMindBot?', { quote: { text: bad, position: 0 } }),
  ]
  for (const content of passed) t.match(await deliver(content), { status: 200, text: '' })
  t.equal(reached(), passed.length, 'chatter, and what others said')
  t.match(await deliver(update.callback(bad)), { status: 200, text: /Pressed/ }, 'and what buttons carry is the bot\'s own')
})

t.test('nothing is ever scored or banned by address, even when bans are on', async (t) => {
  const stage = await startStage(t, { env: { BAN_VIOLATIONS: 'true' }, policy: scoring })
  for (let n = 0; n < 3; n++) await stage.deliver(update.inPrivate('you have no rules', BOB))
  t.strictSame(await bansOf(stage, t), [`user:${BOB.id}`])
  await stage.post('{}', {})
  t.equal((await stage.deliver(update.inPrivate('Hi'))).status, 200)
  t.match(saidBy(await stage.deliver(update.inPrivate('Hi', BOB)))?.text, /banned/)
  t.equal(saidBy(await stage.deliver(update.inGroup('@EchoMindBot'))), undefined, 'in a group he is passed over in silence')
  t.strictSame(stage.bot.updates.length, 1)
})

/** Members of a message in which a person writes, beside its text. */
const saidElsewhere = (text: string): object[] => [
  { web_app_data: { button_text: 'x', data: text } }, { document: { file_id: '1', file_unique_id: '1', file_name: text } },
  { checklist: { title: text, tasks: [{ id: 1, text: 'x' }] } }, { checklist: { title: 'x', tasks: [{ id: 1, text }] } },
]

const scoring = `
version: 1
bans: { interval: 1 }
content: { default: { enabled: true, checks: [{ kind: keywords, list: [you have no rules], action: score }] } }
`

async function bansOf ({ adminUrl, adminToken }: Stage, t: Test): Promise<string[]> {
  const answer = await fetch(`${adminUrl}/api/v1/bans`, { headers: { authorization: `Bearer ${adminToken}` } })
  t.equal(answer.status, 200)
  const { bans } = await answer.json() as { bans: { subject: string, linked: string[] }[] }
  return bans.flatMap(({ subject, linked }) => [subject, ...linked])
}
