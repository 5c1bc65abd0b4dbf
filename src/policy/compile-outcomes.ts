import type { OutcomeDocument, PolicyDocument } from '../config/schema.js'
import type { OutcomeRule, OutcomeSign } from '../outcomes/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { scoreOf } from './compile-limiters.js'
import { pointerOf } from './pointers.js'

/** Makes the runnable outcomes; those that are switched off are left out. */
export function compileOutcomes (document: PolicyDocument, report: Report): Map<string, OutcomeRule> {
  const outcomes = new Map<string, OutcomeRule>()
  for (const [name, entry] of Object.entries(document.outcomes ?? {})) {
    const path = ['outcomes', name]
    if (entry.violation === undefined) report([...path, 'violation'], 'nothing', 'the name of a violation')
    const rule = {
      name,
      violation: entry.violation ?? '',
      score: scoreOf(entry, document.violations ?? {}),
      observe: entry.mode === 'observe',
      when: compileSign(entry.when ?? {}, [...path, 'when'], report),
    }
    if (entry.enabled !== false && entry.mode !== 'off') outcomes.set(name, rule)
  }
  return outcomes
}

function compileSign (
  when: NonNullable<OutcomeDocument['when']>, path: DocumentPath, report: Report
): OutcomeSign {
  const { status = [], event, pointer, equals } = when
  if (status.length === 0 && event === undefined && (pointer ?? equals) === undefined) {
    report(path, 'nothing', 'by what the answer is known: status, event, or pointer and equals')
  }
  if (pointer !== undefined && equals === undefined) report([...path, 'equals'], 'nothing', 'what stands at the pointer')
  if (pointer === undefined && equals !== undefined) report([...path, 'pointer'], 'nothing', 'where it stands: a JSON pointer')
  const value = pointer === undefined || equals === undefined
    ? undefined
    : { pointer: pointerOf(pointer, [...path, 'pointer'], report), equals }
  return { status, event, value }
}
