import { X509Certificate } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { show } from './mistake.js'
import type { Findings, Mistake } from './mistake.js'
import type { PolicyDocument } from './schema.js'
import type { Path } from './tree.js'

const KEY = ['upstream', 'tls', 'ca']
const MOST_BYTES = 1024 * 1024
const certificate = /-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[^-]*-----END \1-----/g

interface Context {
  readonly cwd: string
  readonly findings: Findings
  mistake (path: Path, found: string, expected: string): Mistake
}

/** Document with contents instead of the name, and the files that a reload has to watch. */
interface WithAuthorities { readonly document: PolicyDocument, readonly files: readonly string[] }

/** Puts the certificates that `upstream.tls.ca` names in its place, so that a policy holds all that it depends on. */
export async function readAuthorities (
  document: PolicyDocument, { cwd, findings, mistake }: Context
): Promise<WithAuthorities> {
  const { upstream } = document
  const name = upstream?.tls?.ca
  if (name === undefined) return { document, files: [] }
  const path = resolve(cwd, name)
  const { ca, problem } = await readCertificates(path)
  if (problem !== undefined) {
    findings.mistakes.push(mistake(KEY, `${show(name)} (${problem})`, 'a PEM file of certificates that can be read'))
    findings.broken.add(KEY.join('.'))
  }
  const tls = Object.freeze({ ...upstream?.tls, ...(ca === undefined ? {} : { ca }) })
  return { document: { ...document, upstream: Object.freeze({ ...upstream, tls }) }, files: [path] }
}

interface Certificates { readonly ca?: string, readonly problem?: string }

/** Only the certificates, as PEM, or why there are none: what else the file holds is nothing to us, were it a private key. */
export async function readCertificates (path: string): Promise<Certificates> {
  try {
    if ((await stat(path)).size > MOST_BYTES) return { problem: 'it is larger than 1 MiB' }
    const found = (await readFile(path, 'utf8')).match(certificate) ?? []
    if (found.length === 0) return { problem: 'it holds no certificate' }
    return found.every(isCertificate) ? { ca: found.join('\n') } : { problem: 'it holds a damaged certificate' }
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    return { problem: isMissing ? 'there is no such file' : error instanceof Error ? error.message : String(error) }
  }
}

function isCertificate (pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
