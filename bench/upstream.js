/**
 * The backend in a process of its own: node upstream.js PORT. A fixed answer where no nginx gives one, and what streams:
 * `GET …/stream/…?first=MS&every=MS&count=N` (head at once), `…/stream/…?head=MS` (head late), `POST /api/files` (counts the
 * bytes), `GET /stats`.
 */
import http from 'node:http'
import { ANSWER } from './answer.js'

const HEADERS = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(ANSWER)) }
const stats = { open: 0, aborted: 0 }

const server = http.createServer((request, response) => {
  const { url } = request
  if (url.includes('/stream/')) stream(new URL(url, 'http://upstream.invalid').searchParams, response)
  else if (url === '/api/files') countBytes(request, response)
  else if (url === '/stats') response.end(JSON.stringify(stats))
  else {
    request.resume()
    response.writeHead(200, HEADERS).end(ANSWER)
  }
})
server.requestTimeout = 0
server.keepAliveTimeout = 72_000
server.listen(Number(process.argv[2]), '127.0.0.1', 4096)

function stream (params, response) {
  const number = (name, fallback) => Number(params.get(name) ?? fallback)
  const every = number('every', 1000)
  let left = number('count', 1)
  let timer
  const next = () => {
    if (left-- <= 0) return response.end()
    response.write(`event: message\ndata: {"text":"${'lorem ipsum '.repeat(4)}"}\n\n`)
    timer = setTimeout(next, every)
  }
  const begin = () => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders()
    timer = setTimeout(next, number('first', every))
  }
  stats.open++
  response.on('close', () => {
    clearTimeout(timer)
    stats.open--
    if (!response.writableFinished) stats.aborted++
  })
  const late = number('head', 0)
  if (late > 0) timer = setTimeout(begin, late)
  else begin()
}

function countBytes (request, response) {
  let bytes = 0
  request.on('data', (chunk) => { bytes += chunk.length })
  request.on('end', () => { response.end(String(bytes)) })
}
