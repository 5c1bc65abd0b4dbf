import type { CategoryDocument, DoormanDocument } from '../config/doorman-schema.js'
import type { PolicyDocument } from '../config/schema.js'
import { FAILED, UNSURE, type CategoryRule, type DoormanAction } from '../doorman/contract.js'
import type { Edit } from '../rewriting/contract.js'
import type { DocumentPath, Report } from './compile.js'
import { scoreOf } from './compile-limiters.js'
import { LABELS, USUAL_ACTIONS } from './doorman-labels.js'
import { pointerOf } from './pointers.js'

const PATH = ['doorman']
const VIOLATION = 'doorman_violation'
const NAME = /^[A-Za-z][\w-]{0,63}$/

/** Keys that only one action understands. */
const OF_ACTION: readonly (readonly [keyof CategoryDocument, readonly DoormanAction[]])[] = [
  ['severity', ['suspend']], ['violation', ['score']], ['score', ['score']], ['message', ['refuse', 'suspend', 'score']],
]

/** What the classifier may answer: `categories` speaks of these alone, since a name that is misspelled does nothing. */
export function labelsOf ({ labels, categories = {} }: DoormanDocument, report: Report): Map<string, string> {
  const known = new Map(Object.entries(labels ?? LABELS))
  for (const name of Object.keys(categories)) {
    if (name === UNSURE || name === FAILED || known.has(name)) continue
    const names = [...known.keys(), UNSURE, FAILED]
    report([...PATH, 'categories', name], JSON.stringify(name), `one of ${names.join(', ')}, or a name that labels gives a meaning`, names)
  }
  for (const name of known.keys()) {
    const isOurs = name.toLowerCase() === UNSURE || name.toLowerCase() === FAILED
    if (!isOurs && NAME.test(name)) continue
    report([...PATH, 'labels', name], JSON.stringify(name), isOurs ? `another name: ${name} is an outcome of the doorman's own` : 'a name of letters, digits, _ and -')
  }
  if (known.size === 0) report([...PATH, 'labels'], 'nothing', 'at least one category')
  return known
}

interface Around { readonly document: PolicyDocument, readonly report: Report }

export function categoriesOf (
  written: DoormanDocument, labels: ReadonlyMap<string, string>, around: Around
): Map<string, CategoryRule> {
  const usual = {
    ...USUAL_ACTIONS, [UNSURE]: 'mark', [FAILED]: written.onFailure === 'closed' ? 'refuse' : 'mark',
  } as const satisfies Record<string, DoormanAction>
  const common = patchesOf(written, PATH, around.report)
  return new Map([...labels.keys(), UNSURE, FAILED].map((name) => {
    const given = Object.hasOwn(written.categories ?? {}, name) ? written.categories?.[name] ?? {} : {}
    const action = given.action ?? (Object.hasOwn(usual, name) ? usual[name as keyof typeof usual] : 'pass')
    return [name, compileCategory({ name, given, action, common }, around)]
  }))
}

interface Category {
  readonly name: string
  readonly given: CategoryDocument
  readonly action: DoormanAction
  /** Of every rewritten message. */
  readonly common: readonly Edit[]
}

function compileCategory ({ name, given, action, common }: Category, { document, report }: Around): CategoryRule {
  const path = [...PATH, 'categories', name]
  for (const [key, actions] of OF_ACTION) {
    if (given[key] !== undefined && !actions.includes(action)) {
      report([...path, key], `"${key}"`, `it only with action: ${actions.join(' or ')}`)
    }
  }
  // A person is not to blame for what the classifier does not answer.
  if (name === FAILED && (action === 'suspend' || action === 'score')) {
    report([...path, 'action'], action, 'pass, mark, rewrite or refuse: nobody is punished for a classifier that is away')
  }
  const { message, severity, violation = VIOLATION } = given
  return {
    name,
    rule: `doorman.${name}`,
    action,
    message,
    severity,
    violation,
    score: scoreOf({ violation, ...given.score !== undefined && { score: given.score } }, document.violations ?? {}),
    edits: [...action === 'rewrite' ? common : [], ...patchesOf(given, path, report)],
    isTold: given.header ?? true,
  }
}

function patchesOf (
  { set = {}, unset = [] }: Pick<CategoryDocument, 'set' | 'unset'>, path: DocumentPath, report: Report
): Edit[] {
  const place = (pointer: string, at: DocumentPath) => {
    const parts = pointerOf(pointer, at, report)
    if (pointer === '') report(at, '""', 'a JSON pointer to a member: /NAME')
    return parts
  }
  return [
    ...Object.entries(set).map(([pointer, value]) => ({ pointer: place(pointer, [...path, 'set', pointer]), value })),
    ...unset.map((pointer, i) => ({ pointer: place(pointer, [...path, 'unset', i]), value: undefined })),
  ]
}
