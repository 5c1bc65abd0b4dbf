import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { hits, minutes } from './catalogue.js'
import { nearest, show } from './mistake.js'
import type { Mistake } from './mistake.js'
import { nounOf, parseTree } from './parse.js'
import { readScalar } from './scalars.js'
import { child } from './tree.js'
import type { MapTree, ScalarTree, Tree } from './tree.js'
import type { Variable, Variables } from './variables.js'

/** The rest of the file is the chat app's, its placeholders included. */
const BLOCK = 'rateLimits'
const DEFAULT_NAMES = ['librechat.yaml', 'chat.yaml']
const FETCH_TIMEOUT_MS = 5000
const MOST_BYTES = 1024 * 1024

/** Blocks of `rateLimits`, the variables that they stand for, and the switches that a `…Max` turns on. */
const blocks: Readonly<Record<string, { prefix: string, ip?: string, user?: string }>> = {
  fileUploads: { prefix: 'FILE_UPLOAD', ip: 'LIMIT_FILE_UPLOAD', user: 'LIMIT_FILE_UPLOAD' },
  conversationsImport: { prefix: 'IMPORT', ip: 'LIMIT_IMPORT_IP', user: 'LIMIT_IMPORT_USER' },
  tts: { prefix: 'TTS', ip: 'LIMIT_TTS', user: 'LIMIT_TTS' },
  stt: { prefix: 'STT', ip: 'LIMIT_STT', user: 'LIMIT_STT' },
  // By user only, and never off.
  agentEvents: { prefix: 'AGENT_EVENT' },
}
const keys = [
  { key: 'ipMax', suffix: '_IP_MAX', rule: hits, turnsOn: 'ip' },
  { key: 'ipWindowInMinutes', suffix: '_IP_WINDOW', rule: minutes, turnsOn: undefined },
  { key: 'userMax', suffix: '_USER_MAX', rule: hits, turnsOn: 'user' },
  { key: 'userWindowInMinutes', suffix: '_USER_WINDOW', rule: minutes, turnsOn: undefined },
] as const

/** What the chat app's own yaml says about limits. */
export interface ChatLimits {
  /** Stronger than the environment. */
  readonly variables: readonly Variable[]
  readonly warnings: readonly string[]
  readonly mistakes: readonly Mistake[]
  /** The file, or those that would be read if they were there; none for a URL. */
  readonly files: readonly string[]
}

interface Notes { readonly variables: Variable[], readonly warnings: string[], readonly mistakes: Mistake[] }

/** Reads `CONFIG_PATH` or its defaults. A file that is missing or unreadable is a warning, never a mistake. */
export async function readChatLimits (variables: Variables, cwd: string): Promise<ChatLimits> {
  const notes: Notes = { variables: [], warnings: [], mistakes: [] }
  const given = variables.get('CONFIG_PATH')?.text.trim()
  const isUrl = given !== undefined && /^https?:\/\//i.test(given)
  const names = given === undefined ? DEFAULT_NAMES : [given]
  const files = isUrl ? [] : names.map((name) => resolve(cwd, name))
  for (const name of names) {
    try {
      const text = isUrl ? await fetchText(name) : await readText(resolve(cwd, name))
      const found = { mistakes: notes.mistakes, broken: new Set<string>() }
      readLimits(parseTree(text, { ...found, file: shownName(name), variables, only: BLOCK }), variables, notes)
      break
    } catch (error) {
      if (given === undefined && isMissing(error)) continue
      const where = `${shownName(name)} (${source(given)})`
      notes.warnings.push(`${where} cannot be read: ${reason(error)}; its rateLimits do not count`)
    }
  }
  return { ...notes, files }
}

function readLimits (root: MapTree, variables: Variables, notes: Notes): void {
  const limits = child(root, BLOCK)
  if (limits === undefined) return
  if (limits.kind !== 'map') return misfit(limits, BLOCK, notes)
  for (const [name, { tree, keyPlace }] of limits.entries) {
    const block = Object.hasOwn(blocks, name) ? blocks[name] : undefined
    const path = `${BLOCK}.${name}`
    if (block === undefined) warnOfKey(name, Object.keys(blocks), `${keyPlace.file}:${keyPlace.line} ${path}`, notes)
    else if (tree.kind === 'map') readBlock(tree, path, block, { variables, notes })
    else misfit(tree, path, notes)
  }
}

interface BlockContext { readonly variables: Variables, readonly notes: Notes }
type Block = (typeof blocks)[string]

function readBlock (tree: MapTree, path: string, block: Block, { variables, notes }: BlockContext): void {
  for (const [name, { tree: value, keyPlace }] of tree.entries) {
    const found = keys.find(({ key }) => key === name)
    const key = `${path}.${name}`
    if (found === undefined) {
      warnOfKey(name, keys.map((one) => one.key), `${keyPlace.file}:${keyPlace.line} ${key}`, notes)
      continue
    }
    if (value.kind !== 'scalar') {
      misfit(value, key, notes)
      continue
    }
    const variable = readValue(value, key, { name: `${block.prefix}${found.suffix}`, rule: found.rule }, notes)
    const switchName = found.turnsOn === undefined ? undefined : block[found.turnsOn]
    if (variable === undefined) continue
    notes.variables.push(variable)
    if (switchName !== undefined && variables.get(switchName) === undefined) {
      notes.variables.push({ ...variable, name: switchName, text: 'true', value: true })
    }
  }
}

interface Meaning { readonly name: string, readonly rule: typeof hits }

function readValue (tree: ScalarTree, key: string, { name, rule }: Meaning, notes: Notes): Variable | undefined {
  const reading = readScalar(rule, { value: tree.value, text: tree.text, loose: tree.variable !== undefined })
  const { place } = tree
  if ('value' in reading) {
    return { name, key, place, text: String(reading.value), value: reading.value, isSecret: false, isWrong: false }
  }
  const found = tree.variable?.isSecret === true ? 'a secret' : show(tree.value)
  notes.mistakes.push({ ...place, key, found, ...reading })
  return undefined
}

function misfit (tree: Tree, key: string, { mistakes }: Notes): void {
  mistakes.push({ ...tree.place, key, found: nounOf(tree), expected: tree.kind === 'scalar' ? 'a map of keys' : 'a number' })
}

/** Other keys of that file are none of ours, but one that is nearly ours was probably meant. */
function warnOfKey (name: string, known: readonly string[], where: string, { warnings }: Notes): void {
  const meant = nearest(name, known)
  if (meant !== undefined) warnings.push(`${where} is not known: did you mean ${meant}?`)
}

async function readText (path: string): Promise<string> {
  const content = await readFile(path, 'utf8')
  if (content.length > MOST_BYTES) throw new Error('it is larger than 1 MiB')
  return content
}

async function fetchText (url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) })
  if (!response.ok) throw new Error(`it was answered with ${response.status}`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MOST_BYTES) throw new Error('it is larger than 1 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function isMissing (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function reason (error: unknown): string {
  if (isMissing(error)) return 'there is no such file'
  return error instanceof Error ? error.message : String(error)
}

function source (given: string | undefined): string {
  return given === undefined ? 'the chat app\'s own settings' : 'CONFIG_PATH'
}

function shownName (name: string): string {
  return name.replace(/\/\/[^/@]{1,500}@/, '//***@')
}
