/** What processes used, as the kernel tells it. Fields of /proc/PID/stat are counted from behind the command's name. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK']))
const US_PER_TICK = 1e6 / TICKS_PER_SECOND
const PARENT = 1
const USER = 11
const SYSTEM = 12
const DEAD_CHILDREN = [13, 14]
/** Columns of /proc/stat that are no work. */
const IDLE = [3, 4]

/**
 * CPU time so far, in µs: of the process with all its descendants, and of everything on the machine that is neither
 * theirs nor this program's.
 */
export function cpuTimes (pid) {
  const all = readAll()
  const mine = sum(all, process.pid) + deadChildrenOf(all, process.pid)
  const inside = isInside(all, pid, process.pid) ? 0 : sum(all, pid)
  return { used: sum(all, pid) * US_PER_TICK, other: (busyTicks() - mine - inside) * US_PER_TICK }
}

/** Resident memory of the process tree in KiB: `VmRSS` now, `VmHWM` at its peak. */
export function memoryKiB (pid, field = 'VmRSS') {
  let total = 0
  for (const one of treeOf(readAll(), pid)) {
    const found = new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${one}/status`, 'latin1'))
    total += Number(found?.[1] ?? 0)
  }
  return total
}

/** Lets the peak begin anew. */
export function resetPeak (pid) {
  for (const one of treeOf(readAll(), pid)) writeFileSync(`/proc/${one}/clear_refs`, '5')
}

function readAll () {
  const all = new Map()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = readStat(name)
    if (fields !== undefined) all.set(Number(name), fields)
  }
  return all
}

/** Undefined: it has just ended. */
function readStat (pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number)
  } catch {
    return undefined
  }
}

function treeOf (all, root) {
  const tree = [root]
  for (const parent of tree) {
    for (const [pid, fields] of all) if (fields[PARENT] === parent) tree.push(pid)
  }
  return tree
}

function sum (all, root) {
  let ticks = 0
  for (const pid of treeOf(all, root)) {
    const fields = all.get(pid)
    if (fields !== undefined) ticks += fields[USER] + fields[SYSTEM]
  }
  return ticks
}

/** The load generators that have run: their time counts with their parent once they have ended. */
function deadChildrenOf (all, pid) {
  const fields = all.get(pid)
  return DEAD_CHILDREN.reduce((total, column) => total + (fields?.[column] ?? 0), 0)
}

function isInside (all, pid, root) {
  return treeOf(all, root).includes(pid)
}

function busyTicks () {
  const columns = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0].split(/\s+/).slice(1, 9).map(Number)
  return columns.reduce((total, ticks, column) => IDLE.includes(column) ? total : total + ticks, 0)
}
