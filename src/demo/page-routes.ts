import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { pageMarkup } from './page/markup.js'
import { pageScript } from './page/script.js'
import { pageStyle } from './page/style.js'

const pageUrls = ['/', '/login', '/c/:conversationId']

/** The page to chat in: one file, nothing from elsewhere, and a policy that holds the browser to it. */
export function registerPageRoutes (app: FastifyInstance): void {
  const page = pageMarkup({ style: pageStyle, script: pageScript })
  const policy = [
    "default-src 'none'",
    `script-src '${hashSource(pageScript)}'`,
    `style-src '${hashSource(pageStyle)}'`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

  for (const url of pageUrls) {
    app.get(url, async (_request, reply) => reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', policy)
      .header('x-content-type-options', 'nosniff')
      .header('referrer-policy', 'no-referrer')
      .header('cache-control', 'no-cache')
      .send(page))
  }
}

function hashSource (content: string): string {
  return `sha256-${createHash('sha256').update(content).digest('base64')}`
}
