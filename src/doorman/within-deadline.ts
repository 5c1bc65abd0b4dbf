import type { Classification } from './contract.js'

type Ask = (signal: AbortSignal) => Promise<Classification>

/** Ends a question at its deadline, or when nobody waits for it any more. */
export async function withinDeadline (
  deadlineMs: number, gone: AbortSignal | undefined, ask: Ask
): Promise<Classification> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort('deadline'), deadlineMs)
  const leave = () => abort.abort('gone')
  gone?.addEventListener('abort', leave, { once: true })
  if (gone?.aborted === true) leave()
  try {
    const found = await ask(abort.signal)
    if (found.kind !== 'failed' || !abort.signal.aborted) return found
    return { kind: 'failed', reason: abort.signal.reason === 'gone' ? 'gone' : 'deadline' }
  } finally {
    clearTimeout(timer)
    gone?.removeEventListener('abort', leave)
  }
}
