/** The policy file's part on the doorman: who is asked, what the answers mean, and what is done about each. */
import Type, { type Static } from 'typebox'
import { Mode, named, oneOf, Shorthand, Strict } from './choices.js'
import { AnyValue, Count, Duration, List, Number_, placeholder, Secret, Switch, Text } from './kinds.js'

/** Names here are also the ends of a choice. */
const Enabled = Type.Unsafe<'true' | 'false' | 'auto'>({
  kind: 'choice',
  anyOf: [{ type: 'boolean' }, { enum: ['auto'] }, placeholder],
  values: ['true', 'false', 'auto'],
  description: 'auto: on where a url is given',
})

const Patches = {
  set: Type.Optional(Type.Record(Type.String(), AnyValue(), {
    description: 'JSON pointer → what is put there in the body; a member that is not there is added',
  })),
  unset: Type.Optional(List({ description: 'JSON pointers to members that are taken out of the body' })),
}

const CategoryEntry = Shorthand('action', Type.Object({
  action: Type.Optional(oneOf('pass', 'mark', 'rewrite', 'refuse', 'suspend', 'score')),
  message: Type.Optional(Text({ description: 'Of a refusal; of suspend with {minutes}' })),
  severity: Type.Optional(Count({ maximum: 100, description: 'Of suspend: the level, from 0, at which it begins at least' })),
  violation: Type.Optional(Text({ description: 'Of score' })),
  score: Type.Optional(Number_({ description: 'Of score: points' })),
  header: Type.Optional(Switch({ description: 'false: the backend is not told this category' })),
  ...Patches,
}, named('Category')))

export const DoormanPart = Type.Object({
  enabled: Type.Optional(Enabled),
  mode: Type.Optional(Mode),
  url: Type.Optional(Text({ description: 'Base of an OpenAI-compatible API: http://localhost:11434/v1' })),
  apiKey: Type.Optional(Secret()),
  model: Type.Optional(Text()),
  labels: Type.Optional(Type.Record(Type.String(), Text(), {
    description: 'Categories in place of SHALLOW, DEEP, GENIUS, JAILBREAK and EXPLOITATION: name → what belongs to it',
  })),
  instructions: Type.Optional(Text({ description: 'Told the classifier beside the categories' })),
  categories: Type.Optional(Type.Record(Type.String(), CategoryEntry, {
    description: 'What is done about each; also about unsure and failed',
  })),
  rewrite: Type.Optional(Text({ description: 'What stands in place of a prompt, with {alarm} and {truncated}' })),
  alarm: Type.Optional(Text()),
  truncate: Type.Optional(Count({ maximum: 10_000, description: 'Characters of the original that {truncated} keeps' })),
  scope: Type.Optional(oneOf('last', 'history', 'all')),
  ...Patches,
  header: Type.Optional(Text({ description: 'Header that tells the backend the category; none = no header' })),
  context: Type.Optional(Count({ maximum: 50, description: 'Messages before this one that the classifier is shown' })),
  remember: Type.Optional(Duration({ minimum: 0, description: 'How long they are remembered where bodies do not hold them' })),
  rememberRewritten: Type.Optional(Duration({ minimum: 0, description: 'How long what was rewritten stays so where it comes back as history' })),
  maxLength: Type.Optional(Count({ minimum: 100, maximum: 1_000_000, description: 'Characters of a message that are shown' })),
  deadline: Type.Optional(Duration({ minimum: 1, maximum: 60_000 })),
  retries: Type.Optional(Count({ maximum: 10 })),
  concurrency: Type.Optional(Count({ minimum: 1, maximum: 1000 })),
  cache: Type.Optional(Duration({ minimum: 0, description: 'How long an answer holds for the same words; 0 = no cache' })),
  budget: Type.Optional(Type.Object({
    requests: Type.Optional(Count({ description: 'A day' })),
    tokens: Type.Optional(Count({ description: 'A day' })),
  }, Strict)),
  onFailure: Type.Optional(oneOf('open', 'closed')),
  suspensions: Type.Optional(Type.Array(Duration({ minimum: 1 }))),
  resetAfter: Type.Optional(Duration({ minimum: 0 })),
}, Strict)

export type DoormanDocument = Static<typeof DoormanPart>
export type CategoryDocument = NonNullable<DoormanDocument['categories']>[string]
