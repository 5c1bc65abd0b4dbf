/**
 * Scalar kinds of the policy file. Each is a TypeBox schema whose JSON Schema tells an editor what may stand
 * there, and whose `kind` tells `decode.ts` how to read it: every kind also takes a `${VAR:-default}` string.
 */
import Type from 'typebox'
import type { JsonValue } from '../json-value.js'

export type Kind =
  | 'text' | 'secret' | 'switch' | 'count' | 'number' | 'duration' | 'size' | 'list' | 'pattern' | 'value'

interface KindOptions { readonly description?: string, readonly minimum?: number, readonly maximum?: number }

export const placeholder = { type: 'string', pattern: '\\$\\{' } as const
const text = { type: 'string' } as const
/** A number, or arithmetic with units; `decode.ts` says the rest. */
const span = { type: 'string', pattern: '^[-+*/%().\\s\\da-zA-Z]+$' } as const
const bytes = { type: 'string', pattern: '^\\d+ ?([kKmMgG]i?[bB]|[bB])?$' } as const

function kind<T> (name: Kind, accepts: readonly object[], options: KindOptions = {}) {
  return Type.Unsafe<T>({ kind: name, anyOf: [...accepts, placeholder], ...options })
}

/** Any text. Empty counts as absent. */
export const Text = (options?: KindOptions) => kind<string>('text', [text], options)
/** Text that is masked wherever the policy is shown. */
export const Secret = (options?: KindOptions) => kind<string>('secret', [text, { type: 'number' }], options)
/** true or false; from a variable also `"true"`, `"FALSE"`, inline comments tolerated. */
export const Switch = (options?: KindOptions) => kind<boolean>('switch', [{ type: 'boolean' }], options)
/** A whole number, 0 or more unless `minimum` says otherwise; from a variable also arithmetic. */
export const Count = (options?: KindOptions) =>
  kind<number>('count', [{ type: 'integer', minimum: options?.minimum ?? 0 }], options)
/** A number, 0 or more. */
export const Number_ = (options?: KindOptions) =>
  kind<number>('number', [{ type: 'number', minimum: options?.minimum ?? 0 }], options)
/**
 * Milliseconds when decoded. Written with a unit (`90s`, `5m`, `2h`, `1d`) or 0; a variable of the chat app's may also
 * hold a number or arithmetic, in milliseconds.
 */
export const Duration = (options?: KindOptions) => kind<number>('duration', [{ type: 'number' }, span], options)
/** Bytes when decoded: a number, or `64KiB`, `3MiB`. */
export const Size = (options?: KindOptions) => kind<number>('size', [{ type: 'integer', minimum: 0 }, bytes], options)
/** A list of texts, or one text with commas between. */
export const List = (options?: KindOptions) =>
  kind<string[]>('list', [{ type: 'array', items: { type: ['string', 'number'] } }, text, { type: 'number' }], options)
/** Whatever JSON can hold, lists and maps included. */
export const AnyValue = (options?: KindOptions) => kind<JsonValue>('value', [{}], options)
/** A regular expression that runs in linear time (RE2 syntax). */
export const Pattern = (options?: KindOptions) => kind<string>('pattern', [text], options)
