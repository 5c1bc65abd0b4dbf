const DEEPEST = 20
const nameAt = /[A-Za-z_][A-Za-z0-9_]*/y

/** A scalar with its placeholders filled in. */
export type Filled<V> =
  | { readonly outcome: 'text', readonly text: string, readonly used: readonly V[] }
  /** A variable is unset, and its default is empty or there is none: as if the key had not been written. */
  | { readonly outcome: 'absent', readonly variable: string | undefined }
  | { readonly outcome: 'malformed' }

/** Texts of the variables that are set; undefined: unset. */
export type Lookup<V> = (name: string) => V | undefined

interface Scan<V> { readonly source: string, at: number, depth: number, readonly lookup: Lookup<V> }
interface Piece<V> { text: string | undefined, unset: string | undefined, used: V[] }

/** Fills `${NAME}`, `${NAME:-default}` (defaults may hold placeholders too) in; `$${` stands for `${`. */
export function interpolate<V extends { readonly text: string }> (source: string, lookup: Lookup<V>): Filled<V> {
  const piece = readText({ source, at: 0, depth: 0, lookup })
  if (piece === undefined) return { outcome: 'malformed' }
  if (piece.text === undefined || piece.text.trim() === '') return { outcome: 'absent', variable: piece.unset }
  return { outcome: 'text', text: piece.text, used: piece.used }
}

/** Text up to the end, or within a default up to its closing brace. Undefined: malformed. */
function readText<V extends { readonly text: string }> (scan: Scan<V>): Piece<V> | undefined {
  const piece: Piece<V> = { text: '', unset: undefined, used: [] }
  const { source } = scan
  while (scan.at < source.length && !(scan.depth > 0 && source[scan.at] === '}')) {
    if (source.startsWith('$${', scan.at)) {
      append(piece, '${')
      scan.at += 3
    } else if (source.startsWith('${', scan.at)) {
      const inner = readPlaceholder(scan)
      if (inner === undefined) return undefined
      piece.used.push(...inner.used)
      piece.unset ??= inner.unset
      append(piece, inner.text)
    } else {
      append(piece, source[scan.at++])
    }
  }
  return piece
}

function readPlaceholder<V extends { readonly text: string }> (scan: Scan<V>): Piece<V> | undefined {
  nameAt.lastIndex = scan.at + 2
  const name = nameAt.exec(scan.source)?.[0]
  if (name === undefined || ++scan.depth > DEEPEST) return undefined
  scan.at += 2 + name.length
  let fallback: Piece<V> | undefined
  if (scan.source.startsWith(':-', scan.at)) {
    scan.at += 2
    fallback = readText(scan)
    if (fallback === undefined) return undefined
  }
  if (scan.source[scan.at++] !== '}') return undefined
  scan.depth--
  const variable = scan.lookup(name)
  if (variable !== undefined) return { text: variable.text, unset: undefined, used: [variable] }
  if (fallback === undefined) return { text: undefined, unset: name, used: [] }
  return fallback.text === '' ? { ...fallback, unset: name } : fallback
}

function append<V> (piece: Piece<V>, text: string | undefined): void {
  piece.text = piece.text === undefined || text === undefined ? undefined : piece.text + text
}
