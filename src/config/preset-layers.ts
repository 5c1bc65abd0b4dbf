import { nearest, show } from './mistake.js'
import type { Mistake } from './mistake.js'
import { child, extendPolicy } from './tree.js'
import type { Tree } from './tree.js'

/** A file's text and the name under which mistakes show it. */
export interface PresetText { readonly text: string, readonly file: string }

/** Where presets lie. */
export interface Presets {
  names (): readonly string[]
  /** Called with one of these names only. */
  read (name: string): PresetText
}

interface LayContext {
  readonly presets: Presets
  readonly parse: (preset: PresetText) => Tree
  readonly mistakes: Mistake[]
}

/**
 * A preset over the one that its own key `preset` names, and so on down. An unknown name or a circle is a mistake, and
 * the preset stands alone.
 */
export function layPreset (name: string, context: LayContext, above: readonly string[] = []): Tree {
  const { presets, parse, mistakes } = context
  const tree = parse(presets.read(name))
  const base = child(tree, 'preset')
  if (base === undefined) return tree
  const path = [...above, name]
  const free = presets.names().filter((one) => !path.includes(one))
  const wanted = base.kind === 'scalar' ? base.text : ''
  if (free.includes(wanted)) return extendPolicy(layPreset(wanted, context, path), tree)
  const found = path.includes(wanted) ? `a circle (${[...path, wanted].join(' → ')})` : show(wanted)
  const suggestion = path.includes(wanted) ? undefined : nearest(wanted, free)
  const hint = suggestion === undefined ? {} : { suggestion }
  mistakes.push({ ...base.place, key: 'preset', found, expected: `one of ${free.join(', ')}`, ...hint })
  return tree
}
