import { PolicyFile } from './schema.js'

const header = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Portcullis policy file',
}
/** Ours alone: what `decode.ts` goes by. */
const internal = new Set(['kind', 'values', 'oneOrMany', 'shorthand', 'textsOrMaps', 'definition'])

/** The JSON Schema of the policy file, for editors. */
export function policyJsonSchema (): unknown {
  const definitions = new Map<string, unknown>()
  const schema = plain(PolicyFile, definitions) as object
  return { ...header, ...schema, definitions: Object.fromEntries(definitions) }
}

/** As it stands in `config/portcullis.schema.json`. */
export function policyJsonSchemaText (): string {
  return `${JSON.stringify(policyJsonSchema(), null, 2)}\n`
}

/** A schema without our own keywords; what has a name of its own is put among the definitions, once. */
function plain (schema: unknown, definitions: Map<string, unknown>): unknown {
  if (Array.isArray(schema)) return schema.map((item) => plain(item, definitions))
  if (typeof schema !== 'object' || schema === null) return schema
  const name = 'definition' in schema ? String(schema.definition) : undefined
  if (name === undefined) return withoutOurs(schema, definitions)
  if (!definitions.has(name)) {
    definitions.set(name, undefined)
    definitions.set(name, withoutOurs(schema, definitions))
  }
  return { $ref: `#/definitions/${name}` }
}

/** Names of properties are no keywords. */
function withoutOurs (schema: object, definitions: Map<string, unknown>): unknown {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => !internal.has(key)).map(([key, value]) => [
    key, key === 'properties' || key === 'patternProperties' ? eachOf(value as object, definitions) : plain(value, definitions),
  ]))
}

function eachOf (properties: object, definitions: Map<string, unknown>): unknown {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, plain(schema, definitions)]))
}
