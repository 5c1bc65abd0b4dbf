import { stripVTControlCharacters } from 'node:util'
import { runCommand } from '../../src/cli/cli.js'
import { sink } from '../cli/sink.js'

interface Asked { readonly env: Readonly<Record<string, string>>, readonly cwd: string }

/** What `portcullis check` prints: exit code, its lines, and the rows of its tables by name. */
export async function printedPolicy ({ env, cwd }: Asked) {
  const [out, err] = [sink(), sink()]
  const code = await runCommand({ argv: ['check'], env, cwd, stdout: out.stream, stderr: err.stream })
  const text = stripVTControlCharacters(out.text())
  const lines = text.split('\n')
  const rows = rowsOf(lines)
  return {
    code,
    text,
    errors: err.text(),
    bans: lines.find((line) => line.startsWith('bans: ')),
    warnings: lines.filter((line) => line.startsWith('warning: ')),
    /** `key max window violation score` of a limiter or concurrency rule that is in force. */
    ruleOf (name: string): string | undefined {
      const row = rows.find(({ limiter, concurrency }) => limiter === name || concurrency === name)
      return row && [row['key'], row['max'], row['window'] ?? row['lease'], row['violation'], row['score']].join(' ')
    },
    /** Everything that the tables say of a limiter, an outcome or a route. */
    rowOf: (name: string) => rows.find((row) => Object.values(row)[0] === name),
  }
}

/** Rows of the tables by the names of their columns. */
function rowsOf (lines: readonly string[]): Array<Readonly<Record<string, string>>> {
  let head: string[] = []
  return lines.flatMap((line, index) => {
    if (!line.startsWith('│')) return []
    const cells = line.split('│').slice(1, -1).map((cell) => cell.trim())
    if (lines[index - 1]?.startsWith('┌') !== true) return [Object.fromEntries(head.map((name, at) => [name, cells[at] ?? '']))]
    head = cells
    return []
  })
}
