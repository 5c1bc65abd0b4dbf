import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { callerOf, requireCaller } from './caller.js'
import { MalformedForm, readForm } from './multipart.js'

const maxNameCharacters = 255
const formType = 'multipart/form-data'

/** Files are counted, named and dropped: the demo keeps none. */
export function registerUploadRoutes (app: FastifyInstance): void {
  // The body goes to the handler as it comes, whatever its length.
  app.addContentTypeParser(formType, (_request, body, done) => done(null, body))

  for (const url of ['/api/files', '/api/files/images']) {
    app.post<{ Body: Readable }>(url, { onRequest: requireCaller }, async (request) => {
      const contentType = request.headers['content-type'] ?? ''
      if (!contentType.toLowerCase().startsWith(formType)) throw new MalformedForm('A file comes as a form.')
      // Not destroyed on an early end: the refusal still has to get through to the sender.
      const parts = await readForm(request.body.iterator({ destroyOnReturn: false }), contentType)
      const file = parts.find(({ filename }) => filename !== undefined)
      if (file === undefined) throw new MalformedForm('The form carries no file.')
      return {
        message: 'File uploaded and processed successfully',
        file_id: parts.find(({ name }) => name === 'file_id')?.value ?? randomUUID(),
        user: callerOf(request).id,
        filename: (file.filename ?? '').slice(0, maxNameCharacters),
        bytes: file.bytes,
        type: file.type,
      }
    })
  }
}
