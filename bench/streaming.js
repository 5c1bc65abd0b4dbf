import { once } from 'node:events'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { startFastify, startPortcullis, startUpstream } from './candidates.js'
import { median, quantile, show, table } from './figures.js'
import { requestHeaders } from './scenarios.js'
import { memoryKiB, resetPeak } from './usage.js'

const HEADS = 60
const STREAMS = 1000
/** Streams are opened in bunches, so that no listen queue overflows. */
const BUNCH = 50
const LEAVERS = 20
const FREED_AFTER_MS = 1000
const UPLOAD_MB = 200
const UPLOADS = 3
const MB = 1e6

/** Streams, departures and uploads, each through Portcullis, bare Fastify and directly. Answers 0: nothing is judged here. */
export async function measureStreams (rig, print) {
  const upstream = await startUpstream(rig, { streams: true })
  const context = { headers: await requestHeaders(), stats: () => readStats(upstream.url) }
  const direct = { title: 'direct', url: upstream.url }
  const warm = [direct, ...await startGateways(rig, upstream)]
  print(`\n**Heads of streams** (the first event comes 20 ms after the head)\n\n${await heads(warm, context)}`)
  print(`\n**Departures** (${LEAVERS} clients leave; the backend's requests that ended within ${FREED_AFTER_MS} ms)\n\n${await departures(warm, context)}`)
  // Memory is measured in processes that have nothing behind them but a few requests.
  for (const [title, measure] of [[`Open streams** (${STREAMS} asked for)`, openStreams], [`Uploads** of ${UPLOAD_MB} MB`, uploads]]) {
    const gateways = await startGateways(rig, upstream)
    await heads(gateways, context)
    print(`\n**${title}\n\n${await measure(gateways, context)}`)
  }
  return 0
}

async function startGateways (rig, upstream) {
  return [
    { title: 'Portcullis', ...await startPortcullis(rig, upstream) },
    { title: 'bare Fastify', ...await startFastify(rig, upstream) },
  ]
}

async function heads (candidates, { headers }) {
  const waits = new Map(candidates.map(({ title }) => [title, []]))
  for (let i = 0; i < 2 * HEADS; i++) {
    for (const { title, url } of candidates) {
      const waited = await headTime(`${url}/api/agents/chat/stream/s${i}?first=20&count=1&every=0`, headers)
      // The first half warms up.
      if (i >= HEADS) waits.get(title).push(waited)
    }
  }
  const base = median(waits.get('direct') ?? [])
  return table(['', 'head p50 ms', 'head p99 ms', 'added p50 ms'], candidates.map(({ title }) => {
    const of = waits.get(title)
    return [title, show(median(of), 2), show(quantile(of, 0.99), 2), title === 'direct' ? '–' : show(median(of) - base, 2)]
  }))
}

async function headTime (url, headers) {
  const began = performance.now()
  const request = http.get(url, { headers, agent: false })
  const [response] = await once(request, 'response')
  const waited = performance.now() - began
  response.resume()
  await once(response, 'end')
  return waited
}

async function departures (candidates, { headers, stats }) {
  const rows = []
  for (const { title, url } of candidates) {
    const freed = async (query) => {
      const before = await stats()
      const clients = await open(`${url}/api/agents/chat/stream/leave`, { query, count: LEAVERS, headers })
      await sleep(400)
      for (const { request } of clients) request.destroy()
      await sleep(FREED_AFTER_MS)
      return (await stats()).aborted - before.aborted
    }
    rows.push([title, `${await freed('count=1000&every=20')} of ${LEAVERS}`, `${await freed('head=4000')} of ${LEAVERS}`])
    await sleep(4000)
  }
  return table(['', 'left in mid stream', 'left before the head'], rows)
}

async function openStreams (gateways, { headers, stats }) {
  const rows = []
  for (const { title, url, pid } of gateways) {
    const idle = memoryKiB(pid)
    const clients = await open(`${url}/api/agents/chat/stream/open`, { query: 'count=100000&every=1000', count: STREAMS, headers })
    await sleep(4000)
    const through = clients.filter(({ answered }) => answered).length
    const full = memoryKiB(pid)
    const plain = await answers(`${url}/api/convos`, headers)
    for (const { request } of clients) request.destroy()
    await sleep(FREED_AFTER_MS)
    const { open: left } = await stats()
    rows.push([title, show(through), through === STREAMS ? show((full - idle) / STREAMS, 1) : '–', show(idle / 1024), show(full / 1024), plain ? 'answered' : 'no answer', show(left)])
  }
  const after = `open at the backend ${FREED_AFTER_MS} ms after the clients left`
  return table(['', 'streams that came through', 'KiB per stream', 'RSS before MiB', 'RSS MiB', 'a plain GET beside them', after], rows)
}

/** Clients that read whatever comes. */
async function open (url, { query, count, headers }) {
  const clients = []
  for (let i = 0; i < count; i++) {
    const client = { request: http.get(`${url}${i}?${query}`, { headers, agent: false }), answered: false }
    client.request.on('error', () => {})
    client.request.on('response', (response) => {
      client.answered = response.statusCode === 200
      response.on('error', () => {}).resume()
    })
    clients.push(client)
    if (i % BUNCH === BUNCH - 1) await sleep(20)
  }
  return clients
}

async function answers (url, headers) {
  try {
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(3000) })
    await answer.arrayBuffer()
    return answer.ok
  } catch {
    return false
  }
}

async function uploads (gateways, { headers }) {
  const rows = []
  for (const { title, url, pid } of gateways) {
    const idle = memoryKiB(pid)
    resetPeak(pid)
    const speeds = []
    for (let i = 0; i < UPLOADS; i++) {
      const began = performance.now()
      await upload(`${url}/api/files`, headers)
      speeds.push(UPLOAD_MB / ((performance.now() - began) / 1000))
    }
    const peak = memoryKiB(pid, 'VmHWM')
    rows.push([title, show(median(speeds)), show(idle / 1024), show(peak / 1024), show((peak - idle) / 1024)])
  }
  return table(['', 'MB/s', 'RSS before MiB', 'peak RSS MiB', 'above it MiB'], rows)
}

async function upload (url, headers) {
  const piece = Buffer.alloc(64 * 1024, 'x')
  const request = http.request(url, {
    method: 'POST', agent: false, headers: { ...headers, 'content-type': 'application/octet-stream', 'content-length': UPLOAD_MB * MB },
  })
  const answered = once(request, 'response')
  for (let left = UPLOAD_MB * MB; left > 0; left -= piece.length) {
    if (!request.write(left < piece.length ? piece.subarray(0, left) : piece)) await once(request, 'drain')
  }
  request.end()
  const [response] = await answered
  const received = Buffer.concat(await response.toArray()).toString()
  if (received !== String(UPLOAD_MB * MB)) throw new Error(`the upload was answered ${response.statusCode} ${received}`)
}

async function readStats (url) {
  return (await fetch(`${url}/stats`)).json()
}
