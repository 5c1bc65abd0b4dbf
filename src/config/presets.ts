import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

const FOLDER = join('config', 'presets')
/** Lies under every preset and makes the whole complete; no preset itself. */
const DEFAULTS = 'defaults'

/** Folder of our own package: the nearest one upwards that holds the presets, from sources as from `dist`. */
export function packageRoot (): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, FOLDER, `${DEFAULTS}.yaml`))) return folder
    if (folder === dirname(folder)) throw new Error(`The package is incomplete: ${FOLDER}/${DEFAULTS}.yaml is missing`)
  }
}

/** A preset's text and the name under which mistakes show it; `defaults` too. Call it with a known name only. */
export function readPreset (name: string): { text: string, file: string } {
  const file = join(packageRoot(), FOLDER, `${name}.yaml`)
  return { text: readFileSync(file, 'utf8'), file }
}

export function readDefaults (): { text: string, file: string } {
  return readPreset(DEFAULTS)
}

export function presetNames (): string[] {
  return readdirSync(join(packageRoot(), FOLDER))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .filter((name) => name !== DEFAULTS)
    .sort()
}
