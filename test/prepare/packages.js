/** Programs of the PATH, and the distribution's packages that bring them. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where the first of these programs lies; undefined: none is on the PATH. */
export function findProgram (...names) {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync)
}

/** Whether the packages are installed now. */
export function installPackages (names) {
  process.stderr.write(`The tests need ${names.join(', ')}; installing from the distribution's packages.\n`)
  return asRoot('apt-get', ['update']) && asRoot('apt-get', ['install', '-y', '--no-install-recommends', ...names])
}

function asRoot (command, args) {
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const [first, ...rest] = [...sudo, command, ...args]
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync(first, rest, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0
}
