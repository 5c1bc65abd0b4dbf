/** How a server wants to be asked: "OpenAI-compatible" is said of servers that refuse one thing or another. */

/** Structured by a schema, by the promise of JSON, by the instructions alone. */
const FORMATS = ['json_schema', 'json_object', 'none'] as const

export interface Manner {
  readonly format: typeof FORMATS[number]
  /** The name of the bound on an answer. */
  readonly bound: 'max_tokens' | 'max_completion_tokens'
  readonly hasTemperature: boolean
}

export const BEST_MANNER: Manner = { format: 'json_schema', bound: 'max_tokens', hasTemperature: true }
const ABOUT_FORMATS = /response_format|json_schema|json_object/

/**
 * The manner to try when the server refused this one; undefined: its manner is not what it dislikes. Each has fewer
 * demands than the one before, so that they come to an end.
 * @param isProven the server answered in this manner: it must name what it dislikes now.
 */
export function nextManner (manner: Manner, complaint: string, isProven: boolean): Manner | undefined {
  if (manner.bound === 'max_tokens' && complaint.includes('max_completion_tokens')) {
    return { ...manner, bound: 'max_completion_tokens' }
  }
  if (manner.hasTemperature && complaint.includes('temperature')) return { ...manner, hasTemperature: false }
  if (isProven && !ABOUT_FORMATS.test(complaint)) return undefined
  const format = FORMATS[FORMATS.indexOf(manner.format) + 1]
  return format === undefined ? undefined : { ...manner, format }
}

/** The members of a question that depend on the manner. */
export function mannered ({ format, bound, hasTemperature }: Manner, labels: readonly string[], maxTokens: number) {
  return {
    [bound]: maxTokens,
    ...hasTemperature && { temperature: 0 },
    ...format === 'json_object' && { response_format: { type: 'json_object' } },
    ...format === 'json_schema' && { response_format: { type: 'json_schema', json_schema: schemaOf(labels) } },
  }
}

function schemaOf (labels: readonly string[]) {
  return {
    name: 'classification',
    strict: true,
    schema: {
      type: 'object',
      properties: { category: { type: 'string', enum: labels } },
      required: ['category'],
      additionalProperties: false,
    },
  }
}
