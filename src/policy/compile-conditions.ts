import type { ConditionDocument } from '../config/condition-schema.js'
import type { BodyTest, Condition, Conditions, EntityKind } from '../conditions/contract.js'
import { readName } from '../conditions/conditions.js'
import type { PointerPattern } from '../json-pattern.js'
import type { DocumentPath, Report } from './compile.js'
import { patternOf } from './compile-prompts.js'

const OF_PLACE = ['in', 'exists', 'name'] as const

type TestDocument = Omit<ConditionDocument, 'all'>

/** Makes runnable conditions. An empty variable in one (`name: "${NAME:-}"`) counts as not written. */
export function compileConditions (
  entries: readonly ConditionDocument[], path: DocumentPath, report: Report
): Conditions {
  if (entries.length === 0) report(path, 'nothing', 'at least one condition')
  return entries.map((entry, index) => compileCondition(entry, [...path, index], report))
}

function compileCondition (entry: ConditionDocument, path: DocumentPath, report: Report): Condition {
  const { all = [], ...own } = entry
  const isWritten = Object.values(own).some((value) => value !== undefined)
  if (!isWritten && all.length > 0) return all.flatMap((one, i) => compileTests(one, [...path, 'all', i], report))
  return [
    ...compileTests(own, path, report),
    ...all.flatMap((one, i) => compileTests(one, [...path, 'all', i], report)),
  ]
}

function compileTests (entry: TestDocument, path: DocumentPath, report: Report): BodyTest[] {
  const { at, mention } = entry
  const placed = OF_PLACE.filter((key) => entry[key] !== undefined)
  if (at === undefined && placed.length > 0) report([...path, 'at'], 'nothing', `the place that ${placed.join(', ')} looks at: a JSON pointer`)
  else if (at === undefined && mention === undefined) report(path, 'nothing', 'what must hold: at, mention or all')
  const place = at === undefined ? undefined : patternOf(at, [...path, 'at'], report)
  return [
    ...place === undefined ? [] : testsAt(place, entry),
    ...mention === undefined ? [] : [mentionOf(mention, [...path, 'mention'], report)],
  ]
}

/** A place alone: something stands there. */
function testsAt (at: PointerPattern, { in: values, exists, name }: TestDocument): BodyTest[] {
  const tests: BodyTest[] = [
    ...values === undefined ? [] : [{ kind: 'in' as const, at, values }],
    ...exists === undefined ? [] : [{ kind: 'exists' as const, at, exists }],
    ...name === undefined ? [] : [{ kind: 'name' as const, at, name: readName(name) }],
  ]
  return tests.length > 0 ? tests : [{ kind: 'exists', at, exists: true }]
}

function mentionOf (
  { text, entities, kinds, name }: NonNullable<TestDocument['mention']>, path: DocumentPath, report: Report
): BodyTest {
  return {
    kind: 'mention',
    text: patternOf(text, [...path, 'text'], report),
    entities: patternOf(entities, [...path, 'entities'], report),
    kinds: Object.entries(kinds).map(([type, kind]) => [type, kindOf(kind, [...path, 'kinds', type], report)]),
    name: name === undefined ? undefined : readName(name),
  }
}

function kindOf (kind: string, path: DocumentPath, report: Report): EntityKind {
  if (kind === 'name' || kind === 'command') return kind
  if (!kind.startsWith('/')) report(path, JSON.stringify(kind), 'name, command, or a JSON pointer to the name in the entity')
  return kind.startsWith('/') ? patternOf(kind, path, report) : 'name'
}
