import { loadConfig, nearest, type LoadedConfig, type Mistake } from '../config/config.js'
import { compilePolicy, type CompileResult } from './compile.js'
import type { Policy } from './contract.js'

export interface LoadPolicyOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly policyFile?: string
}

export interface LoadedPolicy {
  readonly config: LoadedConfig
  readonly policy: Policy
  /** Sentences on what will not work as configured. */
  readonly warnings: readonly string[]
}

/** Reads all configuration and compiles it. Throws `ConfigErrors` with every mistake of form and of meaning. */
export async function loadPolicy (options: LoadPolicyOptions): Promise<LoadedPolicy> {
  let compiled: CompileResult | undefined
  const review = (config: LoadedConfig): Mistake[] => {
    const mistakes: Mistake[] = []
    compiled = compilePolicy(config.document, (path, found, expected, candidates) => {
      mistakes.push(config.mistake(path, found, expected, candidates && nearest(unquoted(found), candidates)))
    }, config.unsetAt)
    return mistakes
  }
  const config = await loadConfig({ ...options, review })
  // Without mistakes, `review` was called before `loadConfig` resolves.
  const { policy, warnings } = compiled as CompileResult
  return { config, policy, warnings: [...config.warnings, ...warnings] }
}

function unquoted (found: string): string {
  return found.replace(/^"|"$/g, '')
}
