import type { IncomingMessage } from 'node:http'

/** Whatever the form carries, files as blobs. */
export async function readForm (request: IncomingMessage): Promise<FormData> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  const headers = { 'content-type': request.headers['content-type'] ?? '' }
  return await new Response(Buffer.concat(pieces), { headers }).formData()
}
