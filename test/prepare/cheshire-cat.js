/**
 * The real Cheshire Cat 2.x: installed once into a Python environment of its own, kept in the cache of the user. Without
 * a Python that has venv there is none, and the names of its tests say so.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

const PACKAGE = 'cheshire-cat-ai'
const VERSION = '2.0.23'
/** The oldest that it runs on, with what environments of their own take. */
const IS_FIT = 'import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 10))'

/** The folder in which it lies, or will. */
export function catPath () {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return join(cache, 'portcullis-tests', `${PACKAGE}-${VERSION}`)
}

/** Whether there is a Python that it can be installed with. */
export function hasPython () {
  return spawnSync('python3', ['-c', IS_FIT], { stdio: 'ignore' }).status === 0
}

/** Installs it where it is missing; whether it is there now. */
export function installCat (path) {
  if (runs(path)) return true
  process.stderr.write(`The tests use a Cheshire Cat; installing ${PACKAGE} ${VERSION}, which takes a minute.\n`)
  // Beside its place and then moved there: another run finds it whole or not at all.
  const unfinished = `${path}.${process.pid}`
  mkdirSync(dirname(path), { recursive: true })
  try {
    const isBuilt = python('python3', ['-m', 'venv', unfinished]) &&
      python(join(unfinished, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `${PACKAGE}==${VERSION}`])
    if (!isBuilt) return false
    // What lies there does not run.
    if (!runs(path)) {
      rmSync(path, { recursive: true, force: true })
      renameSync(unfinished, path)
    }
    return runs(path)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

function python (program, args) {
  return spawnSync(program, args, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0
}

function runs (path) {
  const versionOf = `import importlib.metadata as m; print(m.version("${PACKAGE}"))`
  const { status, stdout } = spawnSync(join(path, 'bin', 'python'), ['-c', versionOf], { encoding: 'utf8' })
  return status === 0 && stdout.trim() === VERSION
}
