const spellings: ReadonlyArray<readonly [ms: number, names: string]> = [
  [1, 'ms'],
  [1000, 's sec second seconds'],
  [60_000, 'm min minute minutes'],
  [3_600_000, 'h hour hours'],
  [86_400_000, 'd day days'],
  [604_800_000, 'w week weeks'],
]
const units = new Map(spellings.flatMap(([ms, names]) => names.split(' ').map((name) => [name, ms] as const)))

const LONGEST = 200
const token = /\s*(?:(\d+(?:\.\d+)?|\.\d+)\s*([a-zA-Z]+)?|([-+*/%()]))/y

type Token = number | string
interface Cursor { readonly tokens: readonly Token[], at: number }

/**
 * Works out `1000 * 60 * 60 * 2`, with `+ - * / % ( )` as JavaScript reads them, and with `withUnits` also
 * `2h` or `1h30m` (milliseconds). Undefined: not such an expression, or without a finite outcome.
 */
export function evaluate (text: string, withUnits: boolean): number | undefined {
  const tokens = text.length > LONGEST ? undefined : tokenize(text.trim(), withUnits)
  if (tokens === undefined) return undefined
  const cursor: Cursor = { tokens, at: 0 }
  const outcome = sum(cursor)
  return cursor.at === tokens.length && Number.isFinite(outcome) ? outcome : undefined
}

function tokenize (text: string, withUnits: boolean): Token[] | undefined {
  const tokens: Token[] = []
  let afterUnit = false
  token.lastIndex = 0
  for (let end = 0; end < text.length; end = token.lastIndex) {
    const found = token.exec(text)
    if (found === null) return undefined
    const [, digits, unit, operator] = found
    const scale = unit === undefined ? 1 : withUnits ? units.get(unit.toLowerCase()) : undefined
    if (scale === undefined) return undefined
    // `1h30m` is one number in two pieces.
    const piece = digits === undefined ? undefined : Number(digits) * scale
    const last = tokens.at(-1)
    if (piece === undefined) tokens.push(operator ?? '')
    else if (afterUnit && unit !== undefined && typeof last === 'number') tokens[tokens.length - 1] = last + piece
    else tokens.push(piece)
    afterUnit = unit !== undefined
  }
  return tokens
}

/** Each level gives NaN for what it cannot read; NaN survives every operator. */
function sum (cursor: Cursor): number {
  let value = product(cursor)
  for (;;) {
    const operator = cursor.tokens[cursor.at]
    if (operator !== '+' && operator !== '-') return value
    cursor.at++
    const right = product(cursor)
    value = operator === '+' ? value + right : value - right
  }
}

function product (cursor: Cursor): number {
  let value = factor(cursor)
  for (;;) {
    const operator = cursor.tokens[cursor.at]
    if (operator !== '*' && operator !== '/' && operator !== '%') return value
    cursor.at++
    const right = factor(cursor)
    value = operator === '*' ? value * right : operator === '/' ? value / right : value % right
  }
}

function factor (cursor: Cursor): number {
  const next = cursor.tokens[cursor.at++]
  if (typeof next === 'number') return next
  if (next === '-') return -factor(cursor)
  if (next === '+') return factor(cursor)
  if (next !== '(') return NaN
  const value = sum(cursor)
  return cursor.tokens[cursor.at++] === ')' ? value : NaN
}
