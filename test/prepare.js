/**
 * Finds what the tests need beside npm packages, or installs it: a Chromium. Run by `npm test`.
 * CHROMIUM_PATH names one that is not on the PATH.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

if (findChromium() === undefined) install('chromium')

function findChromium () {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  if (CHROMIUM_PATH && existsSync(CHROMIUM_PATH)) return CHROMIUM_PATH
  return NAMES.flatMap((name) => PATH.split(delimiter).map((folder) => join(folder, name))).find(existsSync)
}

function install (name) {
  process.stderr.write(`The tests need ${name}; installing it from the distribution's packages.\n`)
  const done = run('apt-get', ['update']) && run('apt-get', ['install', '-y', '--no-install-recommends', name])
  if (done) return
  process.stderr.write(`It could not be installed here: install ${name} yourself, or name it in CHROMIUM_PATH.\n`)
  process.exitCode = 1
}

function run (command, args) {
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  const [first, ...rest] = [...sudo, command, ...args]
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return spawnSync(first, rest, { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0
}
