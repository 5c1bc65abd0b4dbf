/** A gateway's WebSockets on a thread of their own, so that what holds its event loop can be seen. */
import { parentPort, workerData } from 'node:worker_threads'
import { startHarness } from './harness.js'
import { watchLoop } from './watch-loop.js'

const { url, maxBytes } = workerData as { url: string, maxBytes: number }
const cleanups: (() => unknown)[] = []
const harness = await startHarness({ teardown: (clean) => { cleanups.push(clean) } }, url, {
  maxBytes,
  check: ({ data }) => {
    const refused = data.includes('no') ? { replies: [`refused ${data.length}`] } : undefined
    return data.includes('w') ? Promise.resolve(refused) : refused
  },
})
// What is compiled on the first messages is none of an attacker's.
let stalls = watchLoop()
parentPort?.on('message', (asked: string) => {
  if (asked === 'begin') stalls = watchLoop()
  else {
    parentPort?.postMessage({ stalls: stalls(), defects: harness.defects.length, faults: harness.faults.length })
    for (const clean of cleanups) clean()
    parentPort?.close()
  }
})
parentPort?.postMessage({ port: harness.port })
