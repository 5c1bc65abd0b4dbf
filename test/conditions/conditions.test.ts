import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runCommand } from '../../src/cli/cli.js'
import type { ConditionDocument } from '../../src/config/condition-schema.js'
import { createConditions } from '../../src/conditions/conditions.js'
import type { Doubt } from '../../src/conditions/contract.js'
import { compileConditions } from '../../src/policy/compile-conditions.js'
import { sink } from '../cli/sink.js'

const kinds = { mention: 'name', text_mention: '/user/username', bot_command: 'command' }

function holds (...conditions: ConditionDocument[]) {
  return inDoubt('holds', conditions)
}

function inDoubt (doubt: Doubt, conditions: ConditionDocument[]) {
  return createConditions(compileConditions(conditions, [], (path) => { throw new Error(path.join('.')) }), doubt)
}

/** A message with one entity that marks `word`, as Telegram would. */
function marking (text: string, word: string, type = 'mention') {
  return { message: { text, entities: [{ type, offset: text.indexOf(word), length: word.length }] } }
}

const means = (name?: string) => holds({
  mention: { text: '/message/text', entities: '/message/entities', kinds, ...name !== undefined && { name } },
})

t.test('a condition looks at one place: for values as texts, for a name, or for anything at all', async (t) => {
  const isPrivate = holds({ at: '/message/chat/type', in: ['private', '7', 'true'] })
  const chat = (type: unknown) => isPrivate({ message: { chat: { type } } })
  t.strictSame([chat('private'), chat(7), chat(true)], [true, true, true])
  t.strictSame([chat('group'), chat(null), chat(['private']), chat({}), isPrivate(undefined), isPrivate('private')],
    [false, false, false, false, false, false])
  t.notOk(isPrivate(Object.create({ message: { chat: { type: 'private' } } })), 'its own members alone')

  const there = holds({ at: '/edited_message' })
  t.strictSame([{ edited_message: {} }, { edited_message: null }, {}, []].map(there), [true, false, false, false])
  const absent = holds({ at: '/edited_message', exists: false })
  t.strictSame([{ edited_message: 0 }, { edited_message: null }, undefined].map(absent), [false, true, true])

  const reply = holds({ at: '/username', name: '@MyBot' })
  t.strictSame(['mybot', '@MYBOT', 'MyBot', 'mybot2', '@@mybot', 7, ''].map((username) => reply({ username })),
    [true, true, true, false, false, false, false])
  t.ok(holds({ at: '/list/*/id', in: ['2'] })({ list: [{ id: 1 }, { id: 2 }] }), 'any element of a list')
})

t.test('a name in another case is read by some backends and not by others: then a test holds, or fails, as it should', async (t) => {
  const isPublic = { at: '/room/kind', in: ['public'] }
  const twice = [
    { room: { kind: 'public', Kind: 'private' } }, { room: { kind: 'private', Kind: 'public' } }, { Room: { kind: 'public' } },
    { room: { kind: 'public' }, ROOM: null }, { room: { \u212aind: 'public', kind: 'public' } },
  ]
  const elsewhere = [{ room: { kind: 'public', Name: 'x', name: 'y' } }, { room: { kind: 'public' }, Other: 1, other: 1 }]
  const absent = { at: '/x', exists: false }
  const named = { at: '/x', name: 'bot' }
  for (const body of twice) {
    t.ok(inDoubt('holds', [isPublic])(body), JSON.stringify(body))
    t.notOk(inDoubt('fails', [isPublic])(body), JSON.stringify(body))
  }
  for (const body of elsewhere) t.ok(inDoubt('fails', [isPublic])(body), 'other names do not matter')
  for (const condition of [absent, named, { at: '/x', exists: true }]) {
    t.ok(inDoubt('holds', [condition])({ X: 1 }), JSON.stringify(condition))
    t.notOk(inDoubt('fails', [condition])({ X: 1 }), JSON.stringify(condition))
  }
  t.notOk(inDoubt('holds', [{ ...absent, all: [{ at: '/y' }] }])({ X: 1 }), 'the others must hold as well')
  t.ok(inDoubt('fails', [absent, { at: '/y' }])({ X: 1, y: 1 }), 'one that is certain is enough')
})

t.test('all members of a condition must hold, and any condition of several', async (t) => {
  const both = holds({ at: '/a', exists: true, in: ['1', '2'] }, { all: [{ at: '/b' }, { at: '/c', in: ['x'] }] })
  t.strictSame([both({ a: 1 }), both({ a: 3 }), both({ b: 0, c: 'x' }), both({ c: 'x' }), both({ b: 0 })],
    [true, false, true, false, false])
  const mixed = holds({ at: '/a', all: [{ at: '/b' }] })
  t.strictSame([mixed({ a: 1, b: 1 }), mixed({ a: 1 }), mixed({ b: 1 })], [true, false, false])
  t.notOk(createConditions([], 'holds')({}), 'none of none')
})

t.test('mentions are found where Telegram says that they stand, in UTF-16 units', async (t) => {
  const forBot = means('MyBot')
  const family = '👨‍👩‍👧 𝕳𝖎 é '
  t.ok(family.length > [...family].length, 'more units than characters')
  t.ok(forBot(marking(`${family}@mybot hello`, '@mybot')))
  t.notOk(forBot({ message: { text: `${family}@mybot`, entities: [{ type: 'mention', offset: [...family].length, length: 6 }] } }),
    'characters are not what is counted')
  t.notOk(forBot(marking('@other and not @mybot', '@other')), 'only what is marked')
  t.notOk(forBot({ message: { text: '@mybot' } }), 'nor without entities')
  t.ok(means()(marking('@other', '@other')), 'without a name anybody is meant')
  t.notOk(means()(marking('#tag', '#tag', 'hashtag')))
  const caption = holds({ mention: { text: '/message/caption', entities: '/message/caption_entities', name: 'mybot', kinds } })
  t.ok(caption({ message: { caption: 'Look @MyBot', caption_entities: [{ type: 'mention', offset: 5, length: 6 }] } }))
})

t.test('commands are for a name, or for every bot; a user without @ is named by the entity', async (t) => {
  const forBot = means('@MyBot')
  const command = (text: string) => forBot(marking(text, text.split(' ')[0] ?? '', 'bot_command'))
  t.strictSame(['/start', '/start@MYBOT now', '/start@other', '/start@', '/start@mybotx'].map(command),
    [true, true, false, false, false])
  t.notOk(command(`/${'x'.repeat(200)}`), 'nothing that long is a command')
  t.notOk(forBot(marking('start', 'start', 'bot_command')), 'nor without its slash')
  const named = (username: unknown) => forBot({ message: { text: 'You!', entities: [{ type: 'text_mention', offset: 0, length: 3, user: { username } }] } })
  t.strictSame([named('mybot'), named('other'), named(undefined)], [true, false, false])
})

t.test('which types of entity mean somebody, and how, is the policy\'s word', async (t) => {
  const own = holds({ mention: { text: '/text', entities: '/marks', name: 'mybot', kinds: { at: 'name', ref: '/to/*/handle' } } })
  const marks = (mark: object) => own({ text: '@mybot /start', marks: [mark] })
  t.ok(marks({ type: 'at', offset: 0, length: 6 }))
  t.ok(marks({ type: 'ref', to: [{ handle: 'Other' }, { handle: 'MyBot' }] }))
  t.notOk(marks({ type: 'ref', to: [{ handle: 'other' }] }))
  t.notOk(marks({ type: 'mention', offset: 0, length: 6 }))
  t.notOk(marks({ type: 'bot_command', offset: 7, length: 6 }))
})

t.test('entities that mark nothing are none, whatever they hold', async (t) => {
  const forBot = means('mybot')
  const text = 'hi @mybot'
  const at = (offset: unknown, length: unknown) => forBot({ message: { text, entities: [{ type: 'mention', offset, length }] } })
  t.ok(at(3, 6))
  const hostile: [unknown, unknown][] = [
    [-6, 6], [3, -1], [3, 7], [1e308, 6], [NaN, 6], [Infinity, 6], [3, NaN], ['3', 6], [3.5, 6], [3, 2 ** 53], [null, null],
  ]
  for (const [offset, length] of hostile) t.notOk(at(offset, length), `${offset} ${length}`)
  for (const entities of [null, 'mention', {}, [null], [7], [[]], [{ type: ['mention'] }], [{ type: 'mention' }]]) {
    t.notOk(forBot({ message: { text, entities } }), JSON.stringify(entities))
  }
  t.notOk(forBot({ message: { text: 7, entities: [{ type: 'mention', offset: 0, length: 1 }] } }))
  const doubtful = [
    { text, Text: '@mybot', entities: [] }, { text, entities: [], Entities: [] }, { text, entities: [{ Type: 'mention', offset: 3, length: 6 }] },
    { text, entities: [{ type: 'mention', Offset: 3, length: 6 }] },
    { text, entities: [{ type: 'text_mention', offset: 0, length: 2, user: { UserName: 'mybot' } }] },
  ]
  for (const message of doubtful) t.ok(forBot({ message }), `it may be meant, and counts: ${JSON.stringify(message)}`)
})

t.test('thousands of entities of a long text cost no more than their number', async (t) => {
  const text = `${'@'.repeat(3_000_000)}@mybot`
  const entities = Array.from({ length: 10_000 }, (_, n) => ({ type: n % 2 === 0 ? 'mention' : 'bot_command', offset: n, length: 2_900_000 }))
  const began = performance.now()
  t.notOk(means('mybot')({ message: { text, entities } }))
  t.ok(means('mybot')({ message: { text, entities: [...entities, { type: 'mention', offset: 3_000_000, length: 6 }] } }))
  t.ok(performance.now() - began < 500)
})

t.test('check and explain say in words who may come, what costs something, what comes twice and who is told', async (t) => {
  const cwd = t.testdir({})
  const policy = join(import.meta.dirname, '..', 'policies', 'good', 'triggers.yaml')
  await cp(policy, join(cwd, 'p.yaml'))
  const env = { PORTCULLIS_POLICY: 'p.yaml', UPSTREAM_URL: 'http://127.0.0.1:1', BOT_NAME: '@Echo' }
  const print = async (...argv: string[]) => {
    const [out, err] = [sink(), sink()]
    t.equal(await runCommand({ argv, env, cwd, stdout: out.stream, stderr: err.stream }), 0, err.text())
    return out.text()
  }
  const words = [
    'every user; groups -100, -200; others are told once per 1m',
    'when /message/chat/type is private', 'or /message/reply_to_message/from/username is @echo', 'or /message/text means @mybot',
    'or /callback_query is there and /callback_query/message/*/id is there',
    'a delivery of the same /update_id within 1d is answered, not forwarded (10m while it has no answer)',
    'silent, told once per 1m',
  ]
  for (const text of [await print('check'), await print('explain', 'POST', '/webhook')]) {
    for (const word of words) t.ok(text.includes(word), word)
  }
  t.match(await print('explain', 'POST', '/webhook'), 'secret in the header x-webhook-secret: without it 401')
})
