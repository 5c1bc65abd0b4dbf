import type { Exchange } from '../exchange.js'
import type { BodyChange, Edit } from './contract.js'

const NO_EDITS: readonly Edit[] = []

/** What becomes of the JSON body on its way to the backend, in order; empty: it is forwarded byte for byte. */
export function editsOf ({ change }: Pick<Exchange, 'change'>): readonly Edit[] {
  return change?.edits ?? NO_EDITS
}

/** Has the body edited, behind all that was noted before. */
export function noteEdits (exchange: Pick<Exchange, 'change'>, ...lists: readonly (readonly Edit[])[]): void {
  // One by one: there may be more than a call takes.
  for (const list of lists) for (const edit of list) changeOf(exchange).edits.push(edit)
}

export interface ToldField {
  /** In lower case. */
  readonly name: string
  readonly value: string
  /** Whether it takes the place of what was to be told under this name before. */
  readonly outranks: boolean
}

/** Has a header field of ours go with the client's, each name once. */
export function tellBackend (exchange: Pick<Exchange, 'change'>, { name, value, outranks }: ToldField): void {
  const { headers } = changeOf(exchange)
  const told = headers.find(([known]) => known === name)
  if (told === undefined) headers.push([name, value])
  else if (outranks) told[1] = value
}

function changeOf (exchange: Pick<Exchange, 'change'>): BodyChange {
  exchange.change ??= { edits: [], headers: [] }
  return exchange.change
}
