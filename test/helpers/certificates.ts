import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Teardown } from './backends.js'

const run = promisify(execFile)

export interface Certificates {
  /** PEM of the authority. */
  readonly ca: string
  /** The same in a file, and the server's certificate and key. */
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** An authority of its own and a certificate that it gave a server at 127.0.0.1, made with openssl; gone with the test. */
export async function makeCertificates (t: Teardown): Promise<Certificates> {
  const dir = await mkdtemp(join(tmpdir(), 'certificates-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const openssl = (...args: string[]) => run('openssl', args, { cwd: dir })
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await openssl('req', '-x509', ...fresh, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority')
  await openssl('req', ...fresh, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=redis')
  await writeFile(join(dir, 'names'), 'subjectAltName=IP:127.0.0.1\n')
  await openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
    '-out', 'server.pem', '-days', '2', '-extfile', 'names')
  const caFile = join(dir, 'ca.pem')
  return {
    ca: await readFile(caFile, 'utf8'),
    caFile,
    certFile: join(dir, 'server.pem'),
    keyFile: join(dir, 'server.key'),
  }
}
