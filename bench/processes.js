import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs'
import net from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const HOST = '127.0.0.1'
const READY_MS = 15_000
const STOP_MS = 8_000
const TRY_EVERY_MS = 50

/** True when the command stands in a folder of the PATH. */
export function hasCommand (name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** A port that is free now. */
export async function freePort () {
  const server = net.createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** Starts processes pinned to a core, with their output in files of the work folder, and stops all of them. */
export function createProcesses (workDir) {
  const running = []
  return {
    /** Resolves once the port answers. `env`: nothing of ours is inherited but what finds programs. */
    async start (name, { core, command, port, env = {} }) {
      const logFile = join(workDir, `${name}.log`)
      const log = openSync(logFile, 'a')
      const { PATH, HOME } = process.env
      const child = spawn('taskset', ['-c', core, ...command], { cwd: workDir, env: { PATH, HOME, ...env }, stdio: ['ignore', log, log] })
      closeSync(log)
      running.push(child)
      await untilOpen(port, () => {
        if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}:\n${readFileSync(logFile, 'utf8').slice(-2000)}`)
      })
      return { name, pid: child.pid, url: `http://${HOST}:${port}` }
    },
    async stop () {
      await Promise.all(running.splice(0).map(stopOne))
    },
  }
}

async function untilOpen (port, check) {
  for (let waited = 0; waited < READY_MS; waited += TRY_EVERY_MS) {
    check()
    if (await isOpen(port)) return
    await sleep(TRY_EVERY_MS)
  }
  throw new Error(`nothing answered on port ${port}`)
}

function isOpen (port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, HOST)
    socket.once('connect', () => { socket.destroy(); resolve(true) })
    socket.once('error', () => { resolve(false) })
  })
}

async function stopOne (child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const late = setTimeout(() => { child.kill('SIGKILL') }, STOP_MS)
  await ended
  clearTimeout(late)
}
