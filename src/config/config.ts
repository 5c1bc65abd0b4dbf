/**
 * The room's public file: environment, `.env`, chat.yaml, policy file, preset and defaults → Settings and one
 * complete policy document, or one error that lists every mistake.
 */
import { resolve } from 'node:path'
import { readAuthorities } from './authorities.js'
import { readChatLimits } from './chat-yaml.js'
import { decode } from './decode.js'
import { readDotenv } from './dotenv.js'
import type { DotenvEntry } from './dotenv.js'
import { ConfigErrors } from './mistake.js'
import type { Findings, Mistake } from './mistake.js'
import { parseTree } from './parse.js'
import { createPointers } from './pointers.js'
import type { Pointers } from './pointers.js'
import { DEFAULT_POLICY, choosePreset, layPolicy, readPolicy } from './policy-file.js'
import { PolicyFile } from './schema.js'
import type { PolicyDocument } from './schema.js'
import { readSettings } from './settings.js'
import type { ProcessSettings, Settings } from './settings.js'
import { showVariables } from './shown-variables.js'
import type { ShownVariable } from './shown-variables.js'
import { readStores } from './store-settings.js'
import { warnOfStores } from './store-warnings.js'
import type { Tree } from './tree.js'
import { createVariables, warnOfNames } from './variables.js'
import type { Variables } from './variables.js'

export { ConfigErrors, formatMistake, nearest } from './mistake.js'
export type { Mistake, Place } from './mistake.js'
export type { ProcessSettings, Settings } from './settings.js'
export type { PolicyDocument } from './schema.js'
export { storeChanges } from './store-settings.js'
export type { StoreSettings } from './store-settings.js'
export { presetNames } from './presets.js'

export interface LoadOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Outranks `PORTCULLIS_POLICY`. */
  readonly policyFile?: string
  /** Finds what is wrong beyond the form, to be reported along; also called when the form is already wrong. */
  readonly review?: (config: LoadedConfig) => readonly Mistake[]
}

export interface LoadedConfig extends Pick<Pointers, 'positionOf' | 'unsetAt' | 'mistake'> {
  readonly settings: Settings
  /**
   * Policy file over preset over defaults, `preset` being the one in use and `upstream.tls.ca` the certificates
   * themselves; frozen.
   */
  readonly document: PolicyDocument
  readonly warnings: readonly string[]
  /** Absolute paths whose change calls for a reload; some may not exist. */
  readonly watchFiles: readonly string[]
  /** What is set, secrets masked. */
  readonly variables: readonly ShownVariable[]
}

/**
 * What the environment and `.env` alone say, for commands that speak to a running gateway: what is wrong with its
 * policy or limits is none of their business.
 * @throws {ConfigErrors} with every mistake in these settings.
 */
export function loadSettings (
  { env, cwd }: Pick<LoadOptions, 'env' | 'cwd'>
): { readonly settings: ProcessSettings, readonly warnings: readonly string[] } {
  const warnings: string[] = []
  const variables = createVariables({ env, cwd, dotenv: loadDotenv(cwd, warnings) }, [])
  const settings = readSettings(variables, cwd)
  if (variables.mistakes.length > 0) throw new ConfigErrors(variables.mistakes)
  return { settings, warnings }
}

/** @throws {ConfigErrors} with every mistake there is. */
export async function loadConfig (options: LoadOptions): Promise<LoadedConfig> {
  const { cwd, env } = options
  const findings: Findings = { mistakes: [], broken: new Set() }
  const warnings: string[] = []
  const dotenv = loadDotenv(cwd, warnings)
  const base = createVariables({ env, dotenv, cwd })
  const chat = await readChatLimits(base, cwd)
  const variables = base.with(chat.variables)
  const layers = await readLayers(options, variables, findings)
  const { preset, policyFile, at } = layers
  const authorities = await readAuthorities(decode(PolicyFile, layers.root, findings), { ...at, cwd, findings })
  const document = Object.freeze({ ...authorities.document, preset })
  const store = await readStores(document.store, { variables, cwd, at, findings })
  const upstreamGiven = document.upstream?.url !== undefined
  warnings.push(...chat.warnings, ...warnOfNames(namesIn(env, dotenv)))
  const config: LoadedConfig = Object.freeze({
    settings: Object.freeze({ ...readSettings(variables, cwd), store, preset, policyFile, upstreamGiven }),
    document,
    positionOf: at.positionOf,
    unsetAt: at.unsetAt,
    mistake: at.mistake,
    warnings: [...warnings, ...warnOfStores(store, { policy: layers.policy, document, variables })],
    watchFiles: [policyFile ?? resolve(cwd, DEFAULT_POLICY), ...chat.files, ...authorities.files],
    variables: showVariables(variables),
  })
  const reviewed = review(config, options, findings)
  const all = [...base.mistakes, ...chat.mistakes, ...findings.mistakes, ...reviewed]
  if (all.length > 0) throw new ConfigErrors(all)
  return config
}

interface Layers {
  readonly preset: string
  /** Absolute; undefined: there is none. */
  readonly policyFile: string | undefined
  /** What it says by itself. */
  readonly policy: Tree
  /** The same over preset and defaults. */
  readonly root: Tree
  readonly at: Pointers
}

async function readLayers (options: LoadOptions, variables: Variables, findings: Findings): Promise<Layers> {
  const { path, shownAs, text } = await readPolicy(options, variables, findings.mistakes)
  const policy = parseTree(text, { ...findings, file: shownAs, variables })
  const preset = choosePreset(policy, variables, findings.mistakes)
  const root = layPolicy(policy, preset, { ...findings, variables, cwd: options.cwd })
  return { preset, policyFile: path, policy, root, at: createPointers(root) }
}

/**
 * A document with holes can only be reviewed as far as the holes let: what a review says of a section that is wrong as
 * a whole would be noise, and it may stumble over what is not there.
 */
function review (config: LoadedConfig, { review }: LoadOptions, findings: Findings): readonly Mistake[] {
  if (review === undefined || [...findings.broken].some((path) => !path.includes('.'))) return []
  try {
    return review(config).filter((mistake) => !isKnown(mistake, findings))
  } catch (error) {
    if (findings.mistakes.length > 0) return []
    throw error
  }
}

/** What stands there, above it or below it, or the variable that it came from, was already found to be wrong. */
function isKnown ({ key, file, line }: Mistake, { broken, mistakes }: Findings): boolean {
  return [...broken].some((path) => `${path}.`.startsWith(`${key}.`) || `${key}.`.startsWith(`${path}.`)) ||
    mistakes.some((known) => known.key === key && known.file === file && known.line === line)
}

function loadDotenv (cwd: string, warnings: string[]): ReadonlyMap<string, DotenvEntry> | undefined {
  try {
    return readDotenv(resolve(cwd, '.env'), '.env')
  } catch (error) {
    warnings.push(`.env cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

function namesIn (env: LoadOptions['env'], dotenv: ReadonlyMap<string, DotenvEntry> | undefined): Set<string> {
  return new Set([...Object.keys(env), ...(dotenv?.keys() ?? [])])
}
