import { PolicyFile } from './schema.js'

const header = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Portcullis policy file',
}
/** Ours alone: what `decode.ts` goes by. */
const internal = new Set(['kind', 'values', 'oneOrMany', 'shorthand'])

/** The JSON Schema of the policy file, for editors. */
export function policyJsonSchema (): unknown {
  return { ...header, ...plain(PolicyFile) as object }
}

/** As it stands in `config/portcullis.schema.json`. */
export function policyJsonSchemaText (): string {
  return `${JSON.stringify(policyJsonSchema(), null, 2)}\n`
}

/** A schema without our own keywords. Names of properties are no keywords. */
function plain (schema: unknown, holdsNames = false): unknown {
  if (Array.isArray(schema)) return schema.map((item) => plain(item))
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(Object.entries(schema)
    .filter(([key]) => holdsNames || !internal.has(key))
    .map(([key, value]) => [key, plain(value, !holdsNames && (key === 'properties' || key === 'patternProperties'))]))
}
