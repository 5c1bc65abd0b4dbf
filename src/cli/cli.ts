import { Command, CommanderError } from 'commander'
import { ConfigErrors } from '../config/config.js'
import { addBans } from './bans.js'
import { addCheck } from './check.js'
import type { Terminal } from './terminal.js'
import { addExplain } from './explain.js'
import { addStart } from './start.js'
import { version } from './version.js'

/** Exit codes, the same for every command. */
export const DONE = 0
export const FAILED = 1
export const MISUSED = 2

/** What is asked of the program itself. */
const OF_PROGRAM = new Set(['-h', '--help', '-V', '--version'])

/** Runs one command of the line; answers the process's exit code. */
export async function runCommand ({ argv, ...terminal }: Terminal & { argv: readonly string[] }): Promise<number> {
  const program = createProgram(terminal)
  try {
    await program.parseAsync(withCommand(argv), { from: 'user' })
    return DONE
  } catch (error) {
    return failed(error, terminal)
  }
}

/** Without a command it is `start`. Not by commander's default command, which would take a misspelt one for an argument. */
function withCommand (argv: readonly string[]): string[] {
  const [first] = argv
  const isOfStart = first === undefined || (first.startsWith('-') && !OF_PROGRAM.has(first))
  return isOfStart ? ['start', ...argv] : [...argv]
}

function createProgram (terminal: Terminal): Command {
  const program = new Command('portcullis')
    .description('A reverse-proxy gateway that moderates an unmodified chat backend.')
    .version(version)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => { terminal.stdout.write(text) },
      writeErr: (text) => { terminal.stderr.write(text) },
    })
  for (const add of [addStart, addCheck, addExplain, addBans]) add(program, terminal)
  return program
}

function failed (error: unknown, { stderr }: Terminal): number {
  // commander has already said what was wrong; asking for help is no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : MISUSED
  if (error instanceof ConfigErrors) {
    stderr.write(`${error.message}\n`)
    return MISUSED
  }
  stderr.write(`portcullis: ${error instanceof Error ? error.message : String(error)}\n`)
  return FAILED
}
