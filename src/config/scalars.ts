import { RE2JS } from 're2js'
import { evaluate } from './arithmetic.js'
import type { Kind } from './kinds.js'
import { nearest } from './mistake.js'

/** What may stand in one place. */
export interface Rule {
  readonly kind: Kind | 'choice'
  readonly minimum?: number
  readonly maximum?: number
  /** Of a `choice`. */
  readonly values?: readonly string[]
  /** Said instead of the kind's own words when something else was found. */
  readonly expected?: string
}

/** A scalar as it came: what YAML makes of it, and its text. */
export interface Raw {
  readonly value: string | number | boolean
  readonly text: string
  /** It came from a variable: an inline comment or quotes left over by an env file are looked through. */
  readonly loose: boolean
}

export type Reading = { readonly value: unknown } | { readonly expected: string, readonly suggestion?: string }

/** No duration is longer; dates beyond do not work. */
const HUNDRED_YEARS_MS = 100 * 365 * 86_400_000
const sizes: Readonly<Record<string, number>> = {
  b: 1, kb: 1000, kib: 1024, mb: 1e6, mib: 1024 ** 2, gb: 1e9, gib: 1024 ** 3,
}

/** Reads a scalar by its rule: durations in milliseconds, sizes in bytes. Never throws. */
export function readScalar (rule: Rule, raw: Raw): Reading {
  switch (rule.kind) {
    case 'text': return typeof raw.value === 'string' ? { value: raw.text } : wrong(rule)
    case 'value': return { value: raw.value }
    case 'secret': return typeof raw.value === 'boolean' ? wrong(rule) : { value: raw.text }
    case 'pattern': return typeof raw.value === 'string' && isPattern(raw.text) ? { value: raw.text } : wrong(rule)
    case 'list': return typeof raw.value === 'boolean' ? wrong(rule) : { value: splitList(raw.text) }
    case 'switch': return readSwitch(rule, raw)
    case 'choice': return readChoice(rule, raw)
    case 'count': return readNumber(rule, raw, Number.isSafeInteger)
    case 'number': return readNumber(rule, raw, Number.isFinite)
    case 'duration': return readDuration(rule, raw)
    case 'size': return readSize(rule, raw)
  }
}

/** A number or a switch of which an inline comment or quotes are all there is: `LOGIN_MAX=  # the default`. */
export function isEmpty ({ kind }: Rule, raw: Raw): boolean {
  return kind !== 'text' && kind !== 'secret' && kind !== 'pattern' && kind !== 'list' &&
    kind !== 'value' && cleaned(raw) === ''
}

/** What may stand here, in words. */
export function expectedOf (rule: Rule): string {
  if (rule.expected !== undefined) return rule.expected
  switch (rule.kind) {
    case 'text': return 'text'
    case 'value': return 'any value'
    case 'secret': return 'a secret'
    case 'pattern': return 'a regular expression in RE2 syntax'
    case 'list': return 'a list of texts'
    case 'switch': return 'true or false'
    case 'choice': return `one of ${(rule.values ?? []).join(', ')}`
    case 'count': return isFixed(rule) ? String(rule.minimum) : `a whole number${range(rule)}`
    case 'number': return `a number${range(rule)}`
    case 'duration': return durationExpected(rule)
    case 'size': return 'a size such as 64KiB or 3MiB, or a number of bytes'
  }
}

function durationExpected (rule: Rule): string {
  if (rule.maximum !== undefined && rule.maximum <= 60_000) return `a duration such as 50ms or 1s,${range(rule, ' ms')}`
  return `a duration such as 90s, 5m, 2h or 1d${rule.minimum === undefined ? '' : range(rule, ' ms')}`
}

function isFixed ({ minimum, maximum }: Rule): boolean {
  return minimum !== undefined && minimum === maximum
}

function range ({ minimum = 0, maximum }: Rule, unit = ''): string {
  return maximum === undefined ? `, ${minimum}${unit} or more` : ` from ${minimum} to ${maximum}${unit}`
}

function readSwitch (rule: Rule, raw: Raw): Reading {
  const text = cleaned(raw).toLowerCase()
  if (text === 'true' || text === 'false') return { value: text === 'true' }
  return { expected: expectedOf(rule), ...suggestSwitch(text) }
}

function suggestSwitch (text: string): { suggestion?: string } {
  if (['1', 'yes', 'on', 'y', 't'].includes(text)) return { suggestion: 'true' }
  return ['0', 'no', 'off', 'n', 'f'].includes(text) ? { suggestion: 'false' } : {}
}

function readChoice (rule: Rule, raw: Raw): Reading {
  const text = cleaned(raw).toLowerCase()
  const values = rule.values ?? []
  const value = values.find((one) => one.toLowerCase() === text)
  if (value !== undefined) return { value }
  const suggestion = nearest(text, values)
  return suggestion === undefined ? wrong(rule) : { expected: expectedOf(rule), suggestion }
}

function readNumber (rule: Rule, raw: Raw, isFit: (value: number) => boolean): Reading {
  const value = typeof raw.value === 'number' ? raw.value : evaluate(cleaned(raw), false)
  return value !== undefined && isFit(value) && isWithin(rule, value, 0) ? { value } : wrong(rule)
}

function readDuration (rule: Rule, raw: Raw): Reading {
  const text = cleaned(raw)
  // In a file a bare number is a unit forgotten; the chat apps' variables are milliseconds.
  if (!raw.loose && typeof raw.value === 'number' && raw.value !== 0) {
    const isTooLong = raw.value * 1000 > (rule.maximum ?? Infinity)
    return { expected: expectedOf(rule), suggestion: `${text}${isTooLong ? 'ms' : 's'}` }
  }
  const value = typeof raw.value === 'number' ? raw.value : evaluate(text, true)
  if (value === undefined) return { expected: expectedOf(rule), ...suggestDuration(text) }
  const isFit = Math.abs(value) <= HUNDRED_YEARS_MS && isWithin(rule, value, -Infinity)
  return isFit ? { value: Math.round(value) } : wrong(rule)
}

/** `2 horas` → `2h`: the number and the letter are probably right. */
function suggestDuration (text: string): { suggestion?: string } {
  const found = /^(\d{1,15}(?:\.\d{1,15})?) {0,9}([smhdw])[a-z]{0,20}$/i.exec(text)
  return found === null ? {} : { suggestion: `${found[1]}${found[2]?.toLowerCase()}` }
}

function readSize (rule: Rule, raw: Raw): Reading {
  const found = /^(\d{1,15}) ?([a-z]{1,3})?$/i.exec(cleaned(raw))
  const factor = sizes[(found?.[2] ?? 'b').toLowerCase()]
  const value = factor === undefined ? NaN : Number(found?.[1]) * factor
  return Number.isSafeInteger(value) ? { value } : wrong(rule)
}

function isWithin (rule: Rule, value: number, least: number): boolean {
  return value >= (rule.minimum ?? least) && value <= (rule.maximum ?? Infinity)
}

function isPattern (text: string): boolean {
  try {
    return RE2JS.compile(text) instanceof RE2JS
  } catch {
    return false
  }
}

function splitList (text: string): string[] {
  return text.split(',').map((part) => part.trim()).filter((part) => part !== '')
}

/** Without what an env file passed on by `docker --env-file` leaves in a value: `true   # comment`, `"7"`. */
function cleaned ({ text, loose }: Raw): string {
  const trimmed = text.trim()
  if (!loose) return trimmed
  const hash = trimmed.search(/(?:^|\s)#/)
  const bare = (hash === -1 ? trimmed : trimmed.slice(0, hash)).trim()
  return /^(["']).*\1$/s.test(bare) ? bare.slice(1, -1).trim() : bare
}

function wrong (rule: Rule): Reading {
  return { expected: expectedOf(rule) }
}
