/**
 * Finds what the tests need beside npm packages, or installs it: a Chromium, redis-server, openssl, a server that
 * speaks MongoDB's protocol and, where there is a Python, a Cheshire Cat. Run by `npm test`.
 * CHROMIUM_PATH names a Chromium that is not on the PATH, MONGO_TEST_URI a MongoDB that is there already.
 */
import { existsSync } from 'node:fs'
import { catPath, hasPython, installCat } from './prepare/cheshire-cat.js'
import { ferretPath, installFerret } from './prepare/ferretdb.js'
import { findProgram, installPackages } from './prepare/packages.js'

const { CHROMIUM_PATH, MONGO_TEST_URI } = process.env
const CHROMIUMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

const missing = []
if (!(CHROMIUM_PATH && existsSync(CHROMIUM_PATH)) && !findProgram(...CHROMIUMS)) missing.push('chromium')
if (!findProgram('redis-server') || !findProgram('redis-cli')) missing.push('redis-server')
if (!findProgram('openssl')) missing.push('openssl')

if (missing.length > 0 && !installPackages(missing)) {
  fail(`Install ${missing.join(', ')} yourself (a Chromium may also be named in CHROMIUM_PATH).`)
}
if (!MONGO_TEST_URI && !findProgram('mongod') && !installFerret(ferretPath())) {
  fail('Install mongod yourself, or name a MongoDB in MONGO_TEST_URI.')
}
if (!hasPython()) {
  process.stderr.write('There is no Python 3.10 with venv: a stand-in takes the place of the real Cheshire Cat.\n')
} else if (!installCat(catPath())) {
  fail(`A Cheshire Cat cannot be installed into ${catPath()}: pip needs a package index that it can reach.`)
}

function fail (advice) {
  process.stderr.write(`That did not work here. ${advice}\n`)
  process.exitCode = 1
}
