import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** wrk hands its figures to a script; this one prints them as JSON. Latencies in µs. */
const REPORT = `function done (summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"us":%d,"refused":%d,"broken":%d,"p50":%d,"p99":%d}\\n', summary.requests,
    summary.duration, e.status, e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
`

/** Writes the request for wrk. The text of JSON is also Lua's, as long as it is ASCII. */
export function writeScript (workDir, name, { method, headers, body }) {
  const lines = [`wrk.method = ${JSON.stringify(method)}`]
  for (const [field, value] of Object.entries(headers)) lines.push(`wrk.headers[${JSON.stringify(field)}] = ${JSON.stringify(value)}`)
  if (body !== undefined) lines.push(`wrk.body = ${lua(body)}`)
  const file = join(workDir, `${name}.lua`)
  writeFileSync(file, `${lines.join('\n')}\n${REPORT}`)
  return file
}

/** `refused`: answers of 400 and above; `broken`: no answer at all. */
export async function runWrk (url, { core, script, connections, secs }) {
  const args = ['-c', core, 'wrk', '-t1', `-c${connections}`, `-d${secs}s`, '--timeout', '10s', '-s', script, url]
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const report = /^\{.*\}$/m.exec(output)
  if (report === null) throw new Error(`wrk said: ${output}`)
  return JSON.parse(report[0])
}

/** A Lua string without the escapes that JSON and Lua spell differently. */
function lua (value) {
  return `[==[${value}]==]`
}
