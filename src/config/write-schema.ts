/** Writes `config/portcullis.schema.json` anew: `node dist/config/write-schema.js`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { policyJsonSchemaText } from './json-schema.js'
import { packageRoot } from './presets.js'

writeFileSync(join(packageRoot(), 'config', 'portcullis.schema.json'), policyJsonSchemaText())
