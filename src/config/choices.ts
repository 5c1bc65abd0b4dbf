/** What several parts of the policy file's schema are made of. */
import Type, { type Static, type TSchema } from 'typebox'

/** Unknown keys are mistakes. */
export const Strict = { additionalProperties: false } as const
/** For what stands in many places: in the schema for editors it stands once, under this name. */
export const named = (definition: string) => ({ ...Strict, definition })
/** One of a few words. */
export const oneOf = <const T extends string[]>(...values: T) =>
  Type.Unsafe<T[number]>({ kind: 'choice', anyOf: [{ enum: values }, { type: 'string', pattern: '\\$\\{' }], values })

export const Mode = oneOf('enforce', 'observe', 'off')
export const OnFailure = oneOf('local', 'open', 'closed')
/** In whose words a refusal is told. */
export const Dialect = oneOf(
  'librechat-json', 'librechat-sse', 'openai', 'openai-message', 'anthropic', 'cheshire-cat', 'cheshire-cat-agents',
  'telegram', 'problem')
/** A map, or the value of one of its keys alone. */
export const Shorthand = <T extends TSchema & { readonly properties: Readonly<Record<string, TSchema>> }>(
  key: string, map: T
) =>
    Type.Unsafe<Static<T>>({ shorthand: { key, map }, anyOf: [map.properties[key], map] })
/** A list of maps, or a single one without the list around it. */
export const OneOrMany = <T extends TSchema>(items: T) =>
  Type.Unsafe<Array<Static<T>>>({ oneOrMany: items, anyOf: [items, { type: 'array', items }] })
