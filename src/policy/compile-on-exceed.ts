/** What a limiter's refusal does beside refusing. */
import type { LimiterDocument } from '../config/schema.js'
import type { Limiter } from '../limits/contract.js'
import { withNumbers } from '../limits/limits.js'
import type { DocumentPath, Report } from './compile.js'
import { LIMITED } from './compile-content.js'

const WARN_EVERY_MS = 60_000

/** @param path of `onExceed` */
export function compileOnExceed (
  entry: LimiterDocument, path: DocumentPath, report: Report
): Pick<Limiter, 'suspend' | 'drop'> {
  return { suspend: compileSuspend(entry, path, report), drop: compileDrop(entry) }
}

function compileSuspend (
  { onExceed, max = 0, window = 0 }: LimiterDocument, path: DocumentPath, report: Report
): Limiter['suspend'] {
  if (onExceed === undefined) return undefined
  const { suspend: durationMs, message = LIMITED, drop, warnEvery } = onExceed
  if (drop !== undefined) {
    if (durationMs !== undefined) report([...path, 'suspend'], 'it beside drop', 'one of the two: who is silenced is told so')
    return undefined
  }
  if (warnEvery !== undefined) report([...path, 'drop'], 'nothing', 'silent, beside warnEvery')
  else if (durationMs === undefined) report([...path, 'suspend'], 'nothing', 'how long a refusal silences the subject: 30m, or drop: silent')
  if (durationMs === undefined) return undefined
  return { durationMs, message: withNumbers(message, { max, windowMs: window }) }
}

/** A warning without words of its own has those of every other refusal. */
function compileDrop ({ onExceed, message }: LimiterDocument): Limiter['drop'] {
  if (onExceed?.drop === undefined) return undefined
  return { warnEveryMs: onExceed.warnEvery ?? WARN_EVERY_MS, message: onExceed.message ?? message }
}
