/** What several parts of the policy file's schema are made of. */
import Type from 'typebox'

/** Unknown keys are mistakes. */
export const Strict = { additionalProperties: false } as const
/** One of a few words. */
export const oneOf = <const T extends string[]>(...values: T) =>
  Type.Unsafe<T[number]>({ kind: 'choice', anyOf: [{ enum: values }, { type: 'string', pattern: '\\$\\{' }], values })

export const Mode = oneOf('enforce', 'observe', 'off')
export const OnFailure = oneOf('local', 'open', 'closed')
