/**
 * FerretDB, which speaks MongoDB's protocol over SQLite: built once from its Go module and kept in the cache of the user,
 * since distributions do not package it.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { findProgram } from './packages.js'

const MODULE = 'github.com/FerretDB/FerretDB'
const VERSION = 'v1.24.2'

/** Where the program lies, or will. */
export function ferretPath () {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'portcullis-tests', 'ferretdb')
}

/** Whether it is there now and runs. */
export function installFerret (path) {
  if (runs(path)) return true
  process.stderr.write(`The tests need a MongoDB; building FerretDB ${VERSION}, which takes a minute or two.\n`)
  if (!findProgram('go')) {
    process.stderr.write('Building it takes Go (https://go.dev/dl), which is not on the PATH.\n')
    return false
  }
  const folder = mkdtempSync(join(tmpdir(), 'ferretdb-'))
  try {
    return build(folder, path) && runs(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** From a copy of the module: it does not start without a file that says its version, and the cache is read-only. */
function build (folder, path) {
  const download = go(['mod', 'download', '-json', `${MODULE}@${VERSION}`], folder)
  if (download.status !== 0) return false
  const source = join(folder, 'source')
  cpSync(JSON.parse(download.stdout).Dir, source, { recursive: true })
  if (spawnSync('chmod', ['-R', 'u+w', folder]).status !== 0) return false
  writeFileSync(join(source, 'build', 'version', 'version.txt'), VERSION)
  mkdirSync(dirname(path), { recursive: true })
  // Beside its place and then moved there: another run finds it whole or not at all.
  const unfinished = `${path}.${process.pid}`
  const isBuilt = go(['build', '-buildvcs=false', '-o', unfinished, './cmd/ferretdb'], source).status === 0
  if (isBuilt) renameSync(unfinished, path)
  return isBuilt
}

function go (args, cwd) {
  return spawnSync('go', args, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
}

function runs (path) {
  return spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0
}
