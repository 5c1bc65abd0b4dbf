import type { JsonValue } from '../json-value.js'
import type { Edit } from './contract.js'

/** Readers of bodies go no deeper: a place below that is never there. */
const MOST_DEPTH = 64

/** What becomes of one place of a document, and of those within it. */
export interface EditNode {
  /** Undefined: what stands there stays; a value that is undefined: it is taken out. */
  written: { readonly value: JsonValue | undefined } | undefined
  /** By member or index, in the order in which they were asked for; of what is written, where something is. */
  below: Map<string, EditNode> | undefined
}

export function emptyNode (): EditNode {
  return { written: undefined, below: undefined }
}

/** Adds an edit as if those before it had been made already. */
export function plantEdit (root: EditNode, { pointer, value }: Edit): void {
  if (pointer.length > MOST_DEPTH) return
  // The whole document is no member of anything.
  if (pointer.length === 0 && value === undefined) return
  let node = root
  for (const name of pointer) node = childOf(node, name)
  node.written = { value }
  node.below = undefined
}

/** Whether something stands there, where nothing did or what did was taken out. */
export function givesSomething ({ written, below }: EditNode): boolean {
  if (written?.value !== undefined) return true
  for (const child of below?.values() ?? []) if (givesSomething(child)) return true
  return false
}

function childOf (node: EditNode, name: string): EditNode {
  node.below ??= new Map()
  let child = node.below.get(name)
  if (child === undefined) node.below.set(name, child = emptyNode())
  return child
}
