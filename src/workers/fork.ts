import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { WORKER_VARIABLE } from './messages.js'

const PROGRAM = fileURLToPath(new URL('../main.js', import.meta.url))

/** Starts workers: the same program on the same Node, with this environment and their number in it. */
export function createFork (env: Readonly<Record<string, string | undefined>>): (number: number) => Worker {
  // Values must come over as they are: JSON knows neither `undefined` nor infinity.
  cluster.setupPrimary({ exec: PROGRAM, args: ['start'], serialization: 'advanced' })
  return (number) => cluster.fork({ ...env, [WORKER_VARIABLE]: String(number) })
}

/** The number of this process among the workers; undefined: it is none. */
export function workerNumber (env: Readonly<Record<string, string | undefined>>): number | undefined {
  const number = Number(env[WORKER_VARIABLE])
  return cluster.isWorker && Number.isInteger(number) && number > 0 ? number : undefined
}
