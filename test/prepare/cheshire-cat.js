/**
 * The real Cheshire Cat 2.x: installed once into a Python environment of its own, kept in the cache of the user. Without
 * a Python that has venv there is none, and its tests say so.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

const PACKAGE = 'cheshire-cat-ai'
const VERSION = '2.0.23'

/** The folder in which it lies, or will. */
export function catPath () {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return join(cache, 'portcullis-tests', `${PACKAGE}-${VERSION}`)
}

/** Installs it where it is missing; whether it is there now. */
export function installCat (path) {
  if (existsSync(path)) return true
  if (spawnSync('python3', ['-c', 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 10))'], { stdio: 'ignore' }).status !== 0) {
    process.stderr.write('There is no Python 3.10 with venv: the tests go without the real Cheshire Cat.\n')
    return false
  }
  process.stderr.write(`The tests use a Cheshire Cat; installing ${PACKAGE} ${VERSION}, which takes a minute.\n`)
  // Beside its place and then moved there: another run finds it whole or not at all.
  const unfinished = `${path}.${process.pid}`
  mkdirSync(dirname(path), { recursive: true })
  try {
    const isBuilt = python('python3', ['-m', 'venv', unfinished]) &&
      python(join(unfinished, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `${PACKAGE}==${VERSION}`])
    if (isBuilt && !existsSync(path)) renameSync(unfinished, path)
    return isBuilt
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

function python (program, args) {
  return spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}
