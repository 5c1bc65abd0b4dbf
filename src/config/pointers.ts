import { blameVariable } from './decode-mistakes.js'
import type { Told } from './decode-mistakes.js'
import type { Mistake, Place } from './mistake.js'
import { findTree } from './tree.js'
import type { Path, Tree } from './tree.js'

/** Ways from a key of the policy back to where its value was written. */
export interface Pointers {
  /** Where a value is written, or else the nearest one above it. Routes are counted as in the document. */
  positionOf (path: Path): Place
  /** The variable that is unset, so that the value counts as not written; undefined: it is written, or was never meant to be. */
  unsetAt (path: Path): string | undefined
  /** A mistake in a value: at its place, or blamed on the variable that it came from. Texts are printed as they are. */
  mistake (path: Path, found: string, expected: string, suggestion?: string): Mistake
  /** The same where what was found shows nothing of a secret, though the value may be one. */
  blame (path: Path, told: Told): Mistake
}

export function createPointers (root: Tree): Pointers {
  const variableAt = (path: Path) => {
    const tree = findTree(root, path)
    return tree.kind === 'scalar' ? tree.variable : undefined
  }
  const blame = (path: Path, told: Told): Mistake => {
    const variable = variableAt(path)
    return variable === undefined
      ? { ...findTree(root, path).place, key: path.join('.'), ...told }
      : blameVariable(variable, path, told)
  }
  return {
    positionOf: (path) => findTree(root, path).place,
    unsetAt (path) {
      const above = findTree(root, path.slice(0, -1))
      return above.kind === 'map' ? above.unset.get(String(path.at(-1))) : undefined
    },
    blame,
    mistake (path, found, expected, suggestion) {
      const shown = variableAt(path)?.isSecret === true ? 'a secret' : found
      return blame(path, { found: shown, expected, ...(suggestion === undefined ? {} : { suggestion }) })
    },
  }
}
