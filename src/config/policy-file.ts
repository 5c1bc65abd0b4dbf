import { readFile, stat } from 'node:fs/promises'
import { isAbsolute, relative, resolve } from 'node:path'
import { nearest, show } from './mistake.js'
import type { Findings, Mistake } from './mistake.js'
import { parseTree } from './parse.js'
import { layPreset } from './preset-layers.js'
import { presetNames, readDefaults, readPreset } from './presets.js'
import { child, extendPolicy } from './tree.js'
import type { MapTree, Tree } from './tree.js'
import { ENVIRONMENT } from './variables.js'
import type { Variables } from './variables.js'

export const DEFAULT_POLICY = 'config/portcullis.yaml'
const DEFAULT_PRESET = 'librechat'
const MOST_BYTES = 1024 * 1024

export interface PolicyPlace {
  readonly cwd: string
  /** Outranks `PORTCULLIS_POLICY`. */
  readonly policyFile?: string
}

interface PolicyText { readonly path: string | undefined, readonly shownAs: string, readonly text: string }

/** A file that was asked for must be there; the default one may be missing. */
export async function readPolicy (
  options: PolicyPlace, variables: Variables, mistakes: Mistake[]
): Promise<PolicyText> {
  const variable = variables.get('PORTCULLIS_POLICY')
  const asked = options.policyFile ?? variable?.text.trim()
  const path = resolve(options.cwd, asked ?? DEFAULT_POLICY)
  const shownAs = shownPath(path, options.cwd)
  try {
    if ((await stat(path)).size > MOST_BYTES) throw new Error('it is larger than 1 MiB')
    return { path, shownAs, text: await readFile(path, 'utf8') }
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (asked === undefined && isMissing) return { path: undefined, shownAs, text: '' }
    const why = isMissing ? 'there is no such file' : error instanceof Error ? error.message : String(error)
    const blamed = options.policyFile === undefined ? variable : undefined
    const place = blamed === undefined ? { file: shownAs, key: '' } : { ...blamed.place, key: blamed.key }
    mistakes.push({ ...place, found: `${show(asked ?? DEFAULT_POLICY)} (${why})`, expected: 'a policy file that can be read' })
    return { path, shownAs, text: '' }
  }
}

/** Policy file, then `PORTCULLIS_PRESET`, then the default; an unknown one is a mistake and the default stands in. */
export function choosePreset (policy: MapTree, variables: Variables, mistakes: Mistake[]): string {
  const written = child(policy, 'preset')
  const variable = written === undefined
    ? variables.get('PORTCULLIS_PRESET')
    : written.kind === 'scalar' ? written.variable : undefined
  // What is no text is reported when the whole is decoded.
  if (written !== undefined && (written.kind !== 'scalar' || typeof written.value !== 'string')) return DEFAULT_PRESET
  const name = written?.text ?? variable?.text.trim() ?? DEFAULT_PRESET
  const known = presetNames()
  if (known.includes(name)) return name
  const suggestion = nearest(name, known)
  const place = variable === undefined
    ? { ...(written?.place ?? { file: ENVIRONMENT }), key: 'preset' }
    : { ...variable.place, key: variable.key }
  const hint = suggestion === undefined ? {} : { suggestion }
  mistakes.push({ ...place, found: show(name), expected: `one of ${known.join(', ')}`, ...hint })
  return DEFAULT_PRESET
}

interface LayerContext extends Findings { readonly variables: Variables, readonly cwd: string }

/** Policy file over preset (over the one that it extends) over defaults. */
export function layPolicy (policy: Tree, preset: string, { cwd, ...context }: LayerContext): Tree {
  const parse = ({ text, file }: { text: string, file: string }) =>
    parseTree(text, { ...context, file: shownPath(file, cwd) })
  const presets = { names: presetNames, read: readPreset }
  const laid = layPreset(preset, { presets, parse, mistakes: context.mistakes })
  return extendPolicy(extendPolicy(parse(readDefaults()), laid), policy)
}

/** As a person in the working directory would write it. */
function shownPath (path: string, cwd: string): string {
  const near = relative(cwd, path)
  return near.startsWith('..') || isAbsolute(near) ? path : near
}
