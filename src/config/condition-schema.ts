/** The policy file's parts on which requests cost something, and on those that come twice. */
import Type, { type Static, type TSchema } from 'typebox'
import { named, OneOrMany, Strict } from './choices.js'
import { Duration, List, Switch, Text } from './kinds.js'

const Mention = Type.Object({
  text: Text({ description: 'JSON pointer to the text' }),
  entities: Text({ description: 'JSON pointer to its entities: maps with type, and offset and length in UTF-16 units' }),
  kinds: Type.Record(Type.String(), Text(), {
    description: 'How each type of entity says who is meant: name (its text is @name), command (/cmd@name, or /cmd for ' +
      'everybody), or a JSON pointer to the name in it',
  }),
  name: Type.Optional(Text({ description: 'Who is meant, with or without @; without it, anybody' })),
}, { ...named('Mention'), description: 'A mention in a text, or a command that is for that name or for everybody' })

const tests = {
  at: Type.Optional(Text({ description: 'JSON pointer into the body; alone: something stands there' })),
  in: Type.Optional(List({ description: 'One of these stands there' })),
  exists: Type.Optional(Switch({ description: 'Whether something stands there' })),
  name: Type.Optional(Text({ description: 'This name stands there, in any case, with or without @; empty: any' })),
  mention: Type.Optional(Mention),
}

/** All of its members must hold. */
export const ConditionEntry = Type.Object({
  ...tests,
  all: Type.Optional(Type.Array(Type.Object(tests, named('Test')), { description: 'All of these hold too' })),
}, named('Condition'))

export const WhenPart = Type.Object({
  body: OneOrMany(ConditionEntry),
}, { ...Strict, description: 'Which requests cost something: those for which one of the conditions holds' })

export const OncePart = Type.Object({
  id: Text({ description: 'JSON pointer to the id of the delivery' }),
  for: Type.Optional(Duration({ minimum: 1000, description: 'How long a delivery is known' })),
  inFlight: Type.Optional(Duration({ minimum: 1000, description: 'How long one without an answer stands in the way of the next' })),
  patience: Type.Optional(Duration({ description: 'How long that next one waits for the answer' })),
}, { ...Strict, description: 'A delivery that comes again is answered 200 and not forwarded twice' })

/** A list of texts, some of which may be maps instead; a single one needs no list around it. */
const textsOrMaps = <T extends TSchema>(map: T) => Type.Unsafe<Array<string | Static<T>>>({
  textsOrMaps: map,
  anyOf: [{ type: 'string' }, map, { type: 'array', items: { anyOf: [{ type: 'string' }, map] } }],
})

export const GroupPlaces = textsOrMaps(Type.Object({
  from: Text({ description: 'body:/json/pointer' }),
  unless: Type.Optional(OneOrMany(ConditionEntry)),
}, Strict))

export type ConditionDocument = Static<typeof ConditionEntry>
export type GroupPlaceDocument = Static<typeof GroupPlaces>[number]
