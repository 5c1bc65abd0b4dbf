/** The yardstick: node fastify-peer.js PORT UPSTREAM-URL. Defaults throughout, no checks of any kind. */
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const [port, upstream] = process.argv.slice(2)
const app = Fastify()
await app.register(httpProxy, { upstream })
await app.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
