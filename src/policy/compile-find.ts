import type { ContentCheckDocument } from '../config/content-schema.js'
import { createKeywordsCheck } from '../content/checks/keywords.js'
import { createLengthCheck } from '../content/checks/length.js'
import { createNonAlphanumericCheck } from '../content/checks/non-alphanumeric.js'
import { createPatternCheck } from '../content/checks/pattern.js'
import type { FindInPrompt, Normalisation } from '../content/contract.js'
import type { DocumentPath, Report } from './compile.js'

export interface FindContext {
  readonly path: DocumentPath
  readonly normalise: Normalisation
  readonly report: Report
}

/** What a check looks for; undefined: nothing, since it is switched off by its number or incomplete, which is reported. */
export function compileFind (check: ContentCheckDocument, context: FindContext): FindInPrompt | undefined {
  switch (check.kind) {
    case 'length': return compileLength(check, context)
    case 'keywords': return compileKeywords(check, context)
    case 'nonAlphanumeric': return compileShare(check, context)
    case 'pattern': return compilePattern(check, context)
  }
}

function compileLength ({ max }: ContentCheckDocument, { path, report }: FindContext): FindInPrompt | undefined {
  if (max === undefined) report([...path, 'max'], 'nothing', 'how many characters pass; 0 = off')
  return max === undefined || max === 0 ? undefined : createLengthCheck({ max })
}

function compileKeywords (
  { list = [], match = 'word', enabled }: ContentCheckDocument, { path, normalise, report }: FindContext
): FindInPrompt | undefined {
  if (list.length > 0) return createKeywordsCheck({ list, match, normalise })
  if (enabled !== false) report([...path, 'list'], 'nothing', 'a list of words and phrases')
  return undefined
}

function compileShare (
  { above, plain = false }: ContentCheckDocument, { path, report }: FindContext
): FindInPrompt | undefined {
  if (above === undefined) report([...path, 'above'], 'nothing', 'the share that still passes, from 0 to 1; 0 = off')
  return above === undefined || above === 0 ? undefined : createNonAlphanumericCheck({ above, plain })
}

function compilePattern (
  { pattern, patterns = [] }: ContentCheckDocument, { path, report }: FindContext
): FindInPrompt | undefined {
  const all = pattern === undefined ? patterns : [pattern, ...patterns]
  if (all.length > 0) return createPatternCheck({ patterns: all })
  report([...path, 'pattern'], 'nothing', 'a regular expression in RE2 syntax')
  return undefined
}
