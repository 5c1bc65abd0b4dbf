import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import type { RedisClient } from './contract.js'
import { isCluster } from './topology.js'

/** A Lua script, known to Redis by the hash of its text. */
export interface Script {
  /** Names it in errors. */
  readonly name: string
  readonly text: string
  readonly sha: string
}

const defined: Script[] = []
/** Texts that are on their way over a connection: whoever sends behind them finds the script there. */
const loading = new WeakMap<RedisClient, Set<Script>>()

/**
 * Reads a script that lies beside its caller, of one file or of several fragments that are joined in order:
 * `defineScript('decide', [new URL('./windows.lua', import.meta.url), new URL('./decide.lua', import.meta.url)])`.
 * Called when a module is loaded; every connection that comes up loads all scripts defined until then. Fragments share
 * one Lua chunk: `local function`s of the first are seen by the next, and only the last returns.
 */
export function defineScript (name: string, files: readonly URL[]): Script {
  const text = files.map((file) => readFileSync(file, 'utf8')).join('\n')
  const script = { name, text, sha: createHash('sha1').update(text).digest('hex') }
  defined.push(script)
  return script
}

/**
 * Runs a script in one trip; where Redis has forgotten it (a flush, a restart, a new node), in two, without sending
 * its text once for each call. All keys go in `keys`, and on a Cluster share a slot (`RedisLink.key` with one tag).
 * Resolves with what the script returns: integers as numbers, strings, arrays, nil as null. Rejects as the client does.
 */
export async function runScript (
  client: RedisClient, script: Script, keys: readonly string[], args: readonly (string | number)[]
): Promise<unknown> {
  const run = () => client.evalsha(script.sha, keys.length, ...keys, ...args)
  try {
    return await run()
  } catch (error) {
    if (!isForgotten(error)) throw error
  }
  sendText(client, script)
  try {
    return await run()
  } catch (error) {
    // A node that joined this moment, or a Redis user who may not load scripts.
    if (!isForgotten(error)) throw error
    return await client.eval(script.text, keys.length, ...keys, ...args)
  }
}

/** Loads all scripts, so that the first request needs but one trip. For a connection that has just come up. */
export function preloadScripts (client: Redis): void {
  for (const script of defined) sendText(client, script)
}

/** Commands of one connection run in order: there is no need to wait until the text has arrived. */
function sendText (client: RedisClient, script: Script): void {
  const underWay = loading.get(client) ?? new Set()
  loading.set(client, underWay)
  if (underWay.has(script)) return
  underWay.add(script)
  const nodes = isCluster(client) ? client.nodes('master').filter((node) => node.status === 'ready') : [client]
  // What fails here fails again, and loudly, in the call itself.
  Promise.allSettled(nodes.map((node) => node.script('LOAD', script.text)))
    .finally(() => underWay.delete(script))
    .catch(() => {})
}

function isForgotten (error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}
