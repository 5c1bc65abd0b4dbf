import type { Health, HealthCheck, HealthReport, HealthState } from './contract.js'

/** A probe must answer before whoever asks loses patience. */
const CHECK_TIMEOUT_MS = 1000

export interface HealthOptions {
  /** Milliseconds that one check may take. */
  readonly timeoutMs?: number
}

/** Collects what the components say of themselves. With no check registered the gateway is ready. */
export function createHealth ({ timeoutMs = CHECK_TIMEOUT_MS }: HealthOptions = {}): Health {
  const checks = new Map<string, HealthCheck>()
  return {
    register: (name, check) => { checks.set(name, check) },
    report: async () => {
      const states = await Promise.all([...checks].map(
        async ([name, check]) => [name, await ask(check, timeoutMs)] as const))
      return summarise(states)
    },
  }
}

async function ask (check: HealthCheck, timeoutMs: number): Promise<HealthState> {
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<HealthState>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'failed', reason: `no answer within ${timeoutMs} ms` }), timeoutMs)
  })
  try {
    return await Promise.race([Promise.resolve(check()), tooLong])
  } catch {
    // The error's own text may hold addresses or credentials, and this answer needs no token.
    return { status: 'failed', reason: 'the check itself failed' }
  } finally {
    clearTimeout(timer)
  }
}

function summarise (states: readonly (readonly [string, HealthState])[]): HealthReport {
  const ready = states.every(([, state]) => state.status !== 'failed')
  const degraded = states.some(([, state]) => state.status === 'degraded')
  return {
    ready,
    status: ready ? (degraded ? 'degraded' : 'ready') : 'not ready',
    checks: Object.fromEntries(states),
  }
}
