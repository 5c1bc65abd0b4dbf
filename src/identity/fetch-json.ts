/** Key sets and discovery documents have a few kilobytes, large ones a hundred. */
const MAX_BYTES = 512 * 1024

export type Fetch = (url: string, options: RequestInit) => Promise<Response>

export interface FetchJsonOptions {
  /** Node's own when undefined. */
  readonly fetch: Fetch | undefined
  readonly signal: AbortSignal
}

/** A JSON document from an issuer: 200, no redirect, within bounds. Rejects otherwise, and says why. */
export async function fetchJson (url: string, options: FetchJsonOptions): Promise<unknown> {
  const { fetch = globalThis.fetch, signal } = options
  const headers = { accept: 'application/json, application/jwk-set+json' }
  const response = await fetch(url, { method: 'GET', redirect: 'manual', signal, headers })
  if (response.status !== 200) {
    response.body?.cancel().catch(() => {})
    throw new Error(`the answer is ${response.status} instead of 200`)
  }
  const text = await readText(response)
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('the answer is no JSON')
  }
}

/** Leaving the loop early cancels what is still to come. */
async function readText ({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body ?? []) {
    size += chunk.byteLength
    if (size > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES / 1024} KiB`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
