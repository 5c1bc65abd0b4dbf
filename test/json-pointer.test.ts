import t from 'tap'
import { followPointer, parsePointer } from '../src/json-pointer.js'

const follow = (document: unknown, pointer: string) => followPointer(document, parsePointer(pointer) ?? ['malformed'])

t.test('a pointer is taken apart; what is none is told', async (t) => {
  t.strictSame(parsePointer(''), [])
  t.strictSame(parsePointer('/a~1b/~0/~01'), ['a/b', '~', '~1'])
  t.strictSame(parsePointer('/'), [''])
  for (const bad of ['a', '#/a', '/~2', '/~', '/a/b~/c']) t.equal(parsePointer(bad), undefined, bad)
})

t.test('a pointer sees own members only, and of an array only the elements', async (t) => {
  const document: unknown = JSON.parse('{"a":[{"b":1}],"__proto__":{"c":2},"":3,"length":4}')
  t.equal(follow(document, '/a/0/b'), 1)
  t.equal(follow(document, '/'), 3)
  t.equal(follow(document, '/length'), 4)
  t.equal(follow(document, '/__proto__/c'), 2, 'an own member of that name')
  t.equal(follow(document, ''), document)
  for (const pointer of ['/c', '/constructor', '/a/length', '/a/-', '/a/00', '/a/1', '/a/0/b/c', '/toString/name']) {
    t.equal(follow(document, pointer), undefined, pointer)
  }
  const named = Object.assign([1], { extra: 2 })
  t.equal(follow(named, '/extra'), undefined)
  for (const nothing of ['text', 7, null, undefined]) t.equal(follow(nothing, '/length'), undefined)
})
