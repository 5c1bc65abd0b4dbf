import { startFastify, startNginx, startPortcullis, startUpstream } from './candidates.js'
import { median, show, table } from './figures.js'
import { SCENARIOS, connectionsOf, requestBody, requestHeaders } from './scenarios.js'
import { cpuTimes } from './usage.js'
import { runWrk, writeScript } from './wrk.js'

const WARM_UP_SECS = 2
/** A round in which other processes used more than this share of a core is not quiet. */
const QUIET = 0.15
const HEAD = ['', 'CPU µs', '× Fastify', '× nginx', 'rps', 'p50 ms', 'p99 ms', 'core busy', 'quiet rounds', 'wrong']

/** Runs the scenarios and prints a table of each. Answers how many requests were answered wrongly. */
export async function measureProxying (rig, print) {
  const { options } = rig
  const upstream = await startUpstream(rig)
  const needed = new Set(options.scenarios.map((name) => SCENARIOS[name].ours ?? 'librechat'))
  const ours = {}
  for (const preset of needed) ours[preset] = await startPortcullis(rig, upstream, preset)
  const peers = { fastify: await startFastify(rig, upstream), nginx: await startNginx(rig, upstream) }
  let wrong = 0
  for (const name of options.scenarios) {
    const scenario = SCENARIOS[name]
    const candidates = await candidatesFor(rig, name, { portcullis: ours[scenario.ours ?? 'librechat'], ...peers })
    await rounds(rig, scenario, candidates)
    wrong += candidates.reduce((total, { samples }) => total + samples.reduce((sum, one) => sum + one.wrong, 0), 0)
    print(`\n**${name}**: ${scenario.about}\n\n${report(candidates)}`)
  }
  return wrong
}

/** Everybody who takes part, with the request that is asked of him and the status that is right. */
async function candidatesFor ({ workDir }, name, { portcullis, fastify, nginx }) {
  const scenario = SCENARIOS[name]
  const { method, path, banned = false } = scenario
  const body = requestBody(scenario)
  const candidate = async (key, title, { url, pid }, { refused = false } = {}) => {
    const headers = await requestHeaders({ method, banned: refused })
    const script = writeScript(workDir, `${name}-${key}`, { method, headers, body })
    await probe(url + path, { method, headers, body }, refused ? 403 : 200)
    return { key, title, url: url + path, pid, script, refused, samples: [] }
  }
  return [
    await candidate('portcullis', 'Portcullis', portcullis, { refused: banned }),
    await candidate('fastify', banned ? 'bare Fastify (proxies it)' : 'bare Fastify', fastify),
    ...nginx === undefined ? [] : [await candidate('nginx', banned ? 'nginx deny' : 'nginx with limits', nginx, { refused: banned })],
  ]
}

async function probe (url, request, expected) {
  const answer = await fetch(url, request)
  await answer.arrayBuffer()
  if (answer.status !== expected) throw new Error(`${request.method} ${url} was answered ${answer.status} instead of ${expected}`)
}

/** A B C, C B A, …: what changes on the machine meanwhile meets all of them. */
async function rounds ({ options, loadCore }, scenario, candidates) {
  const load = { core: loadCore, connections: connectionsOf(scenario) }
  for (const { url, script } of candidates) await runWrk(url, { ...load, script, secs: WARM_UP_SECS })
  for (let round = 0; round < options.rounds; round++) {
    for (const candidate of round % 2 === 0 ? candidates : candidates.toReversed()) {
      candidate.samples.push(await sample(candidate, { ...load, script: candidate.script, secs: options.secs }))
    }
  }
}

async function sample ({ pid, url, refused }, load) {
  const before = cpuTimes(pid)
  const { requests, us, refused: refusals, broken, p50, p99 } = await runWrk(url, load)
  const after = cpuTimes(pid)
  const used = after.used - before.used
  return {
    cpuUs: used / requests,
    rps: requests / (us / 1e6),
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    busy: used / us,
    other: (after.other - before.other) / us,
    wrong: (refused ? requests - refusals : refusals) + broken,
  }
}

function report (candidates) {
  const samplesOf = (key) => candidates.find((candidate) => candidate.key === key)?.samples
  const [fastify, nginx] = [samplesOf('fastify'), samplesOf('nginx')]
  return table(HEAD, candidates.map(({ title, samples }) => {
    const middle = (field) => median(samples.map((one) => one[field]))
    // Of each round, since what disturbed it disturbed both.
    const times = (reference) => median(samples.map((one, round) => one.cpuUs / (reference?.[round]?.cpuUs ?? NaN)))
    return [
      title, show(middle('cpuUs'), 1), show(times(fastify), 2), show(times(nginx), 2), show(middle('rps')),
      show(middle('p50Ms'), 2), show(middle('p99Ms'), 1), `${show(middle('busy') * 100)} %`,
      `${samples.filter(({ other }) => other <= QUIET).length} of ${samples.length}`,
      show(samples.reduce((total, { wrong }) => total + wrong, 0)),
    ]
  }))
}
