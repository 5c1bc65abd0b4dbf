import { parseArgs } from 'node:util'
import { SCENARIOS } from './scenarios.js'

export const USAGE = `npm run bench -- [options]

Measures Portcullis beside bare Fastify + @fastify/http-proxy and nginx, in turns, on this machine.

  --scenarios get,post,…      ${Object.entries(SCENARIOS).map(([name, { about }]) => `${name}: ${about}`).join('\n                              ')}
  --rounds 5                  rounds per scenario; their order alternates
  --secs 4                    seconds of load per candidate and round
  --forwarder dispatch        dispatch or http-proxy: how Portcullis forwards
  --redis                     Portcullis with the Redis store (a redis-server beside the load)
  --redis-memory              bytes that Redis needs for each kind of window instead of the scenarios
  --content                   inspection of prompts instead of the scenarios, in this process
  --stream                    streams and a large upload instead of the scenarios
  --node="--cpu-prof …"       options of node for Portcullis
  --core 0 --load-core 1      where the gateways run, and where load and backend do`

const DEFAULTS = Object.keys(SCENARIOS).join(',')
const string = (fallback) => ({ type: 'string', default: fallback })

/** Options of the command line. Throws an error whose message is for the user. */
export function readOptions (argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      scenarios: string(DEFAULTS),
      rounds: string('5'),
      secs: string('4'),
      forwarder: string('dispatch'),
      redis: { type: 'boolean', default: false },
      'redis-memory': { type: 'boolean', default: false },
      content: { type: 'boolean', default: false },
      stream: { type: 'boolean', default: false },
      node: string(''),
      core: string('0'),
      'load-core': string('1'),
      help: { type: 'boolean', default: false },
    },
  })
  if (values.forwarder !== 'dispatch' && values.forwarder !== 'http-proxy') {
    throw new Error(`--forwarder ${values.forwarder}: expected dispatch or http-proxy`)
  }
  const scenarios = values.scenarios.split(',').filter((name) => name !== '')
  const unknown = scenarios.find((name) => !Object.hasOwn(SCENARIOS, name))
  if (unknown !== undefined) throw new Error(`--scenarios ${unknown}: expected some of ${DEFAULTS}`)
  return {
    scenarios,
    rounds: count(values.rounds, 'rounds'),
    secs: count(values.secs, 'secs'),
    forwarder: values.forwarder,
    redis: values.redis,
    redisMemory: values['redis-memory'],
    content: values.content,
    stream: values.stream,
    nodeFlags: values.node.split(' ').filter((flag) => flag !== ''),
    core: values.core,
    loadCore: values['load-core'],
    help: values.help,
  }
}

function count (text, name) {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: expected a whole number from 1`)
  return value
}
