#!/usr/bin/env node
/**
 * The process. The only file that reads the environment, writes to the terminal by itself, or exits.
 * It imports nothing that needs a recent Node, so that an old one can be told, or replaced by the pinned one.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const OLDEST_NODE = [24, 9] as const
const PINNED_NODE = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url))

if (isRecent(process.versions.node)) await run()
else if (existsSync(PINNED_NODE)) restart(PINNED_NODE)
else {
  process.stderr.write(`portcullis needs Node ${OLDEST_NODE.join('.')} or later, this is ${process.versions.node}\n`)
  process.exitCode = 2
}

async function run (): Promise<void> {
  const { runCommand } = await import('./cli/cli.js')
  // The parent of a restarted process holds its channel: without a parent there is nobody to serve.
  process.once('disconnect', () => process.exit(1))
  // Listening must not keep a command alive that is done.
  process.channel?.unref()
  process.exitCode = await runCommand({
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    stdout: process.stdout,
    stderr: process.stderr,
  })
}

/** Runs the same command on the Node that this package pins for its own scripts. */
function restart (node: string): void {
  const child = spawn(node, process.argv.slice(1), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => { process.exitCode = signal === null ? code ?? 1 : 1 })
}

function isRecent (version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])
}
