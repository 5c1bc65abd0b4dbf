import { randomBytes } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, hasCommand } from './processes.js'
import { nginxPeer, nginxUpstream } from './nginx.js'
import { BANNED, JWT_REFRESH_SECRET, JWT_SECRET } from './scenarios.js'

const FOLDER = import.meta.dirname
const MAIN = join(FOLDER, '..', 'dist', 'main.js')
/** Nobody reaches it, but every request is charged. */
const PLENTY = '1000000000'

/** The backend that everything is measured with: nginx, whose cost does not matter beside a gateway's, or node. */
export async function startUpstream ({ processes, workDir, loadCore }, { streams = false } = {}) {
  const port = await freePort()
  const command = hasCommand('nginx') && !streams
    ? nginxUpstream(workDir, port)
    : [process.execPath, join(FOLDER, 'upstream.js'), String(port)]
  return { ...await processes.start('upstream', { core: loadCore, command, port }), port }
}

export async function startFastify ({ processes, core }, upstream) {
  const port = await freePort()
  const command = [process.execPath, join(FOLDER, 'fastify-peer.js'), String(port), upstream.url]
  return processes.start('fastify', { core, command, port })
}

/** Undefined without nginx. */
export async function startNginx ({ processes, workDir, core }, upstream) {
  if (!hasCommand('nginx')) return undefined
  const port = await freePort()
  return processes.start('nginx', { core, command: nginxPeer(workDir, port, upstream.port), port })
}

/** An empty Redis beside the load, which writes nothing to disk. */
export async function startRedis ({ processes, loadCore }) {
  const port = await freePort()
  const command = ['redis-server', '--port', String(port), '--save', '', '--appendonly', 'no']
  return { ...await processes.start('redis', { core: loadCore, command, port }), port }
}

/**
 * Portcullis as built, on an empty data directory, with one address banned over the admin API; with the memory store
 * or, `--redis`, a Redis of its own.
 */
export async function startPortcullis (rig, upstream, preset = 'librechat') {
  const { processes, workDir, core, options } = rig
  const name = `portcullis-${preset}`
  const [port, adminPort] = [await freePort(), await freePort()]
  const token = randomBytes(24).toString('base64url')
  const policy = join(workDir, `${name}.yaml`)
  writeFileSync(policy, `version: 1\npreset: ${preset}\nupstream: { forwarder: ${options.forwarder} }\n`)
  const started = await processes.start(name, {
    core,
    port,
    command: [process.execPath, ...options.nodeFlags, MAIN, 'start'],
    env: {
      ...limits(),
      ...options.redis ? { REDIS_URI: `redis://127.0.0.1:${(await startRedis(rig)).port}` } : {},
      UPSTREAM_URL: upstream.url,
      PORTCULLIS_POLICY: policy,
      DATA_DIR: mkdtempSync(join(workDir, 'data-')),
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_PORT: String(port),
      GATEWAY_TRUST_PROXY: 'loopback',
      ADMIN_PORT: String(adminPort),
      ADMIN_TOKEN: token,
      JWT_SECRET,
      JWT_REFRESH_SECRET,
    },
  })
  await ban(`http://127.0.0.1:${adminPort}`, token)
  return started
}

function limits () {
  return {
    LIMIT_MESSAGE_USER: 'true',
    MESSAGE_IP_MAX: PLENTY,
    MESSAGE_USER_MAX: PLENTY,
    CONCURRENT_MESSAGE_MAX: PLENTY,
    FILE_UPLOAD_IP_MAX: PLENTY,
    FILE_UPLOAD_USER_MAX: PLENTY,
  }
}

async function ban (adminUrl, token) {
  const answer = await fetch(`${adminUrl}/api/v1/bans`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ip: BANNED, duration: 'forever' }),
  })
  if (answer.status !== 201) throw new Error(`the ban was answered ${answer.status}: ${await answer.text()}`)
}
