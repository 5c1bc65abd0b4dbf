/** The policy file's named rules: limiters, rules for messages in flight, and outcomes. */
import Type from 'typebox'
import { Mode, oneOf, OnFailure, Strict } from './choices.js'
import { OnExceed } from './content-schema.js'
import { Count, Duration, List, Number_, Switch, Text } from './kinds.js'
import { ReservePart, Unit } from './tokens-schema.js'

export const LimiterEntry = Type.Object({
  enabled: Type.Optional(Switch()),
  key: Type.Optional(List({ description: 'ip, user, group, global, model, or several of them' })),
  max: Type.Optional(Count({ description: 'Requests, or tokens, that pass per window; 0 = nothing passes' })),
  unit: Type.Optional(oneOf(...Unit)),
  reserve: Type.Optional(ReservePart),
  window: Type.Optional(Duration({ minimum: 1 })),
  algorithm: Type.Optional(oneOf('fixed-window', 'sliding-window', 'gcra')),
  burst: Type.Optional(Count({ minimum: 1 })),
  anonymous: Type.Optional(oneOf('skip', 'ip')),
  only: Type.Optional(oneOf('guests', 'members')),
  count: Type.Optional(Type.Object({ status: Type.Array(Count({ minimum: 100, maximum: 599 })) }, Strict)),
  persist: Type.Optional(Switch()),
  violation: Type.Optional(Text()),
  score: Type.Optional(Number_()),
  status: Type.Optional(Count({ minimum: 400, maximum: 499 })),
  type: Type.Optional(Text({ description: 'What the refusal calls itself in the reply; without it, its violation' })),
  shownAs: Type.Optional(Text({ description: 'The `limiter` that reply and journal name; without it, what it counts by' })),
  message: Type.Optional(Text()),
  after: Type.Optional(oneOf('head', 'content')),
  onExceed: Type.Optional(OnExceed),
  onFailure: Type.Optional(OnFailure),
  mode: Type.Optional(Mode),
}, Strict)

export const ConcurrencyEntry = Type.Object({
  enabled: Type.Optional(Switch()),
  key: Type.Optional(List()),
  max: Type.Optional(Count({ minimum: 1 })),
  lease: Type.Optional(Duration({ minimum: 1000 })),
  release: Type.Optional(oneOf('response', 'stream')),
  violation: Type.Optional(Text()),
  score: Type.Optional(Number_()),
  onFailure: Type.Optional(OnFailure),
  mode: Type.Optional(Mode),
  stream: Type.Optional(Type.Object({
    id: Type.Optional(Text({ description: 'JSON pointer to the stream id in the answer to the message' })),
    repeat: Type.Optional(Text({ description: 'JSON pointer in the message to what the client calls it' })),
    aborted: Type.Optional(Text({ description: 'JSON pointer to the stream id in the answer to a successful abort' })),
    active: Type.Optional(Type.Object({
      path: Text({ description: 'GET on the backend, with the caller\'s credentials' }),
      list: Text({ description: 'JSON pointer to the array of stream ids still running' }),
    }, Strict)),
  }, Strict)),
}, Strict)

export const OutcomeEntry = Type.Object({
  enabled: Type.Optional(Switch()),
  violation: Type.Optional(Text()),
  score: Type.Optional(Number_()),
  mode: Type.Optional(Mode),
  when: Type.Optional(Type.Object({
    status: Type.Optional(Type.Array(Count({ minimum: 200, maximum: 599 }))),
    event: Type.Optional(Text({ description: 'Name of a server-sent event in the first 64 KiB of the answer' })),
    pointer: Type.Optional(Text({ description: 'JSON pointer into the data of that event, or into the JSON answer' })),
    equals: Type.Optional(Text({ description: 'What stands there' })),
  }, Strict)),
}, Strict)
