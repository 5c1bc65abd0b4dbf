import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TOKEN_FILE } from '../admin/admin-token.js'
import { loadSettings, type ProcessSettings } from '../config/config.js'
import type { Terminal } from './terminal.js'

const TIMEOUT_MS = 30_000

/** The admin API said no. The message is for the person; `status` tells whose fault it is. */
export class AdminRefusal extends Error {
  readonly status: number

  constructor (status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface AdminClient {
  /**
   * Sends one request; answers the parsed JSON, undefined for an empty answer.
   * Rejects with `AdminRefusal` for a refusal, with an `Error` that says what to do when nobody answers.
   */
  request (method: string, path: string, body?: object): Promise<unknown>
}

/**
 * Finds the admin listener and its token where the gateway, started in the same folder, has them.
 * Rejects with `ConfigErrors` when these settings are wrong.
 */
export async function createAdminClient ({ env, cwd, stderr }: Terminal): Promise<AdminClient> {
  const { settings, warnings } = loadSettings({ env, cwd })
  for (const warning of warnings) stderr.write(`warning: ${warning}\n`)
  const base = baseUrl(settings)
  const token = await findToken(settings)
  return {
    request: async (method, path, body) => {
      const answer = await send(`${base}${path}`, {
        method,
        // A token must not be carried to wherever an answer points.
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await answer.text()
      if (!answer.ok) throw refusalOf(answer.status, text, base)
      return text === '' ? undefined : parseJson(text, base)
    },
  }
}

function baseUrl ({ admin }: ProcessSettings): string {
  const url = admin.url ?? `http://${localHost(admin.host)}:${admin.port}`
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new AdminRefusal(400, `PORTCULLIS_ADMIN_URL: found ${JSON.stringify(url)}, expected http://HOST:PORT`)
  }
  return url.replace(/\/$/, '')
}

/** A listener on all addresses is reached on the loopback one. */
function localHost (host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

async function findToken ({ admin, dataDir }: ProcessSettings): Promise<string> {
  if (admin.token !== undefined) return admin.token
  const file = join(dataDir, TOKEN_FILE)
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch {
    throw new Error(`no admin token: set ADMIN_TOKEN, or run this where ${file} can be read ` +
      '(the gateway makes that file at its first start; DATA_DIR says where)')
  }
}

async function send (url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    throw new Error(`the gateway does not answer at ${new URL(url).origin} (${cause}). ` +
      'Is it running? PORTCULLIS_ADMIN_URL says where its admin listener is')
  }
}

function refusalOf (status: number, text: string, base: string): Error {
  if (status === 401) return new AdminRefusal(status, `the gateway at ${base} does not accept this admin token (ADMIN_TOKEN)`)
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown }
    if (typeof detail === 'string') return new AdminRefusal(status, detail)
  } catch {
    // Not ours then; said below.
  }
  return new AdminRefusal(status, `${base} answered ${status}: is this the admin listener?`)
}

function parseJson (text: string, base: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${base} did not answer with JSON: is this the admin listener?`)
  }
}
