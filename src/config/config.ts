/**
 * The room's public file: environment, `.env`, chat.yaml, policy file, preset and defaults → Settings and one
 * complete policy document, or one error that lists every mistake.
 */
import { resolve } from 'node:path'
import { readAuthorities } from './authorities.js'
import { readChatLimits } from './chat-yaml.js'
import { blameVariable, decode } from './decode.js'
import { readDotenv } from './dotenv.js'
import type { DotenvEntry } from './dotenv.js'
import { ConfigErrors } from './mistake.js'
import type { Findings, Mistake, Place } from './mistake.js'
import { parseTree } from './parse.js'
import { DEFAULT_POLICY, choosePreset, layPolicy, readPolicy } from './policy-file.js'
import { PolicyFile } from './schema.js'
import type { PolicyDocument } from './schema.js'
import { readSettings } from './settings.js'
import type { ProcessSettings, Settings } from './settings.js'
import { findTree } from './tree.js'
import type { Path, Tree } from './tree.js'
import { createVariables, warnOfVariables } from './variables.js'
import type { Variables } from './variables.js'

export { ConfigErrors, formatMistake, nearest } from './mistake.js'
export type { Mistake, Place } from './mistake.js'
export type { ProcessSettings, Settings } from './settings.js'
export type { PolicyDocument } from './schema.js'
export { presetNames } from './presets.js'

export interface LoadOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Outranks `PORTCULLIS_POLICY`. */
  readonly policyFile?: string
  /** Finds what is wrong beyond the form, to be reported along; also called when the form is already wrong. */
  readonly review?: (config: LoadedConfig) => readonly Mistake[]
}

export interface ShownVariable { readonly name: string, readonly text: string, readonly from: string }

export interface LoadedConfig {
  readonly settings: Settings
  /**
   * Policy file over preset over defaults, `preset` being the one in use and `upstream.tls.ca` the certificates
   * themselves; frozen.
   */
  readonly document: PolicyDocument
  /** Where a value is written, or else the nearest one above it. Routes are counted as in `document`. */
  positionOf (path: Path): Place
  /** A mistake in a value: at its place, or blamed on the variable that it came from. Texts are printed as they are. */
  mistake (path: Path, found: string, expected: string, suggestion?: string): Mistake
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
  const policy = await readPolicy(options, variables, findings.mistakes)
  const parsed = parseTree(policy.text, { ...findings, file: policy.shownAs, variables })
  const preset = choosePreset(parsed, variables, findings.mistakes)
  const root = layPolicy(parsed, preset, { ...findings, variables, cwd })
  const at = pointers(root)
  const authorities = await readAuthorities(decode(PolicyFile, root, findings), { ...at, cwd, findings })
  const document = Object.freeze({ ...authorities.document, preset })
  const upstreamGiven = document.upstream?.url !== undefined
  const config: LoadedConfig = Object.freeze({
    settings: Object.freeze({ ...readSettings(variables, cwd), preset, policyFile: policy.path, upstreamGiven }),
    document,
    ...at,
    warnings: [...warnings, ...chat.warnings, ...warnOfVariables(variables, namesIn(env, dotenv))],
    watchFiles: [policy.path ?? resolve(cwd, DEFAULT_POLICY), ...chat.files, ...authorities.files],
    variables: shown(variables),
  })
  const reviewed = review(config, options, findings)
  const all = [...base.mistakes, ...chat.mistakes, ...findings.mistakes, ...reviewed]
  if (all.length > 0) throw new ConfigErrors(all)
  return config
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

function pointers (root: Tree): Pick<LoadedConfig, 'positionOf' | 'mistake'> {
  return {
    positionOf: (path) => findTree(root, path).place,
    mistake (path, found, expected, suggestion) {
      const tree = findTree(root, path)
      const told = { found, expected, ...(suggestion === undefined ? {} : { suggestion }) }
      const variable = tree.kind === 'scalar' ? tree.variable : undefined
      return variable === undefined
        ? { ...tree.place, key: path.join('.'), ...told }
        : blameVariable(variable, path, variable.isSecret ? { ...told, found: 'a secret' } : told)
    },
  }
}

function shown (variables: Variables): ShownVariable[] {
  return variables.list().map(({ name, text, isSecret, place, key }) => {
    const where = place.line === undefined ? place.file : `${place.file}:${place.line}`
    return { name, text: isSecret ? '***' : text, from: key === name ? where : `${where} ${key}` }
  })
}

function namesIn (env: LoadOptions['env'], dotenv: ReadonlyMap<string, DotenvEntry> | undefined): Set<string> {
  return new Set([...Object.keys(env), ...(dotenv?.keys() ?? [])])
}
