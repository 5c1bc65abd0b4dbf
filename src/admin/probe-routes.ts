import type { FastifyInstance } from 'fastify'
import type { Health, Metrics } from '../telemetry/contract.js'

export interface ProbeDeps {
  readonly health: Health
  readonly metrics: Pick<Metrics, 'render' | 'contentType'>
}

/** For orchestrators and scrapers, without a token. */
export function addProbes (app: FastifyInstance, { health, metrics }: ProbeDeps): void {
  const schema = (summary: string) => ({ schema: { summary, tags: ['probes'], security: [] } })
  app.get('/livez', schema('The process runs'), async () => ({ status: 'ok' }))
  app.get('/readyz', schema('The gateway can serve; 503 with the reasons when not'), async (_request, reply) => {
    const { ready, status, checks } = await health.report()
    return reply.code(ready ? 200 : 503).send({ status, checks })
  })
  app.get('/metrics', schema('Numbers in the text format of Prometheus'), async (_request, reply) =>
    reply.header('content-type', metrics.contentType).send(await metrics.render()))
}
