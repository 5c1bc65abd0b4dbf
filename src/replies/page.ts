import { createHash } from 'node:crypto'
import type { BanVerdict } from '../verdict/verdict.js'
import type { Reply, ReplyContext } from './contract.js'

const STYLE = `
:root { color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText }
main { max-width: 34rem; padding: 2rem 1.5rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem }
.left { font-size: 1.25rem; font-variant-numeric: tabular-nums }
footer { margin-top: 2rem; font-size: .85rem; opacity: .75; overflow-wrap: anywhere }`

// Counts in the reader's own time zone, and offers the way back once the ban has run out.
const SCRIPT = `
const end = document.querySelector('time')
if (end) {
  const until = new Date(end.dateTime)
  const left = document.getElementById('left')
  end.textContent = until.toLocaleString()
  const tick = () => {
    const s = Math.max(0, Math.ceil((until - Date.now()) / 1000))
    const h = Math.floor(s / 3600), m = Math.floor(s % 3600 / 60)
    left.textContent = s === 0 ? 'You can try again now.'
      : 'Time left: ' + (h ? h + ' h ' : '') + (h || m ? m + ' min ' : '') + s % 60 + ' s'
    if (s > 0) setTimeout(tick, 1000)
    else document.getElementById('again').hidden = false
  }
  tick()
}`

const sha256 = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
const CONTENT_SECURITY_POLICY =
  `default-src 'none'; style-src ${sha256(STYLE)}; script-src ${sha256(SCRIPT)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

const REASONS: Readonly<Record<string, string>> = {
  message_limit: 'too many messages in a short time',
  concurrent: 'too many messages at once',
  logins: 'too many sign-in attempts',
  registrations: 'too many new accounts',
  non_browser: 'automated access',
  content_violation: 'messages that this service does not accept',
  manual: 'a decision of the operator',
  denied: 'a rule of this service',
}

/** What a banned person's browser shows instead of the chat: why, until when, and the request id to quote. */
export function banPage (verdict: BanVerdict, { requestId }: ReplyContext): Reply {
  const reason = REASONS[verdict.reason] ?? verdict.reason.replaceAll('_', ' ')
  return {
    status: 403,
    headers: [
      ['content-type', 'text/html; charset=utf-8'],
      ['content-security-policy', CONTENT_SECURITY_POLICY],
      ['x-content-type-options', 'nosniff'],
    ],
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Access suspended</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(verdict.message)}</h1>
<p>Reason: ${escapeHtml(reason)}.</p>
${until(verdict.expiresAt)}
<footer>Request id: <code>${escapeHtml(requestId)}</code></footer>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`,
  }
}

function until (expiresAt: number | null): string {
  if (expiresAt === null) return '<p>This has no end date. Please contact the operator of this service.</p>'
  const iso = new Date(expiresAt).toISOString()
  return `<p>Until <time datetime="${iso}">${iso}</time>.</p>
<p class="left" id="left" role="timer"></p>
<p><a id="again" href="/" hidden>Back to the chat</a></p>`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeHtml (text: string): string {
  return text.replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char)
}
