import { turns } from '../turns.js'
import type { Edit } from './contract.js'
import { EditPass } from './edit-pass.js'
import { emptyNode, plantEdit } from './edit-tree.js'

/** Longer texts, in characters, take turns with others; so do more edits. */
const LONG_TEXT = 64 * 1024
const MANY_EDITS = 500
/** What one step may go through. */
const STEP_CHARACTERS = 128 * 1024
const STEP_EDITS = 1_000

/**
 * Makes the edits, one after the other, in a JSON text that `readStrictJson` has read; what it has to say of a place
 * twice in a map holds for both. Everything but the values that are replaced, added or taken out (with their comma) stays
 * as it is written. Elements keep the numbers that they came with, whatever is taken out before them. Takes time linear
 * in the text and the edits. Never throws for JSON.
 */
export function applyEdits (text: string, edits: readonly Edit[]): string {
  const root = emptyNode()
  for (const edit of edits) plantEdit(root, edit)
  const pass = new EditPass(text, root)
  pass.advance(Number.POSITIVE_INFINITY)
  return pass.result
}

/** The same; long texts, and many edits, let others have their turn in between. */
export function applyEditsInTurns (text: string, edits: readonly Edit[]): string | Promise<string> {
  if (text.length <= LONG_TEXT && edits.length <= MANY_EDITS) return applyEdits(text, edits)
  return turns.finish(editing(text, edits))
}

function * editing (text: string, edits: readonly Edit[]): Generator<undefined, string> {
  const root = emptyNode()
  for (let i = 0; i < edits.length; i += STEP_EDITS) {
    for (const edit of edits.slice(i, i + STEP_EDITS)) plantEdit(root, edit)
    yield
  }
  const pass = new EditPass(text, root)
  while (!pass.advance(STEP_CHARACTERS)) yield
  return pass.result
}
