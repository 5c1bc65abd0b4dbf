/** The example stacks, without a docker engine: what their files say, and what the gateway makes of its part. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import t from 'tap'
import { parseDocument } from 'yaml'
import type { CollectionTag } from 'yaml'
import { catalogue } from '../../src/config/catalogue.js'
import { packageRoot } from '../../src/config/presets.js'
import { printedPolicy } from './printed-policy.js'

interface Service {
  readonly image?: string
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly env_file?: string
  readonly volumes?: readonly string[]
  readonly depends_on?: readonly string[]
}
interface Stack {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, null>>
}

const docker = join(packageRoot(), 'docker')
/** `!reset`: what the file below says is forgotten. */
const reset: CollectionTag = { tag: '!reset', collection: 'seq', resolve: (list) => list }

function readStack (app: string, file: string): Stack {
  const text = readFileSync(join(docker, app, file), 'utf8')
  const document = parseDocument(text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1'), { customTags: [reset], uniqueKeys: true })
  if (document.errors.length + document.warnings.length > 0) throw document.errors[0] ?? document.warnings[0]
  return document.toJS() as Stack
}

const stacks = [
  { app: 'librechat', backend: 'api', database: 'LibreChat', yaml: 'librechat.yaml' },
  { app: 'hanzo-chat', backend: 'chat', database: 'chat', yaml: 'chat.yaml' },
]

for (const { app, backend, database, yaml } of stacks) {
  const base = readStack(app, 'docker-compose.yml')
  const override = readStack(app, 'docker-compose.override.yml')
  const gateway = override.services['gateway'] ?? {}

  t.test(`${app}: both files fit together`, async (t) => {
    const services = { ...base.services, ...override.services }
    const volumes = [...Object.keys(base.volumes), ...Object.keys(override.volumes)]
    for (const file of [base, override]) {
      for (const [name, { volumes: mounts = [], depends_on: needs = [] }] of Object.entries(file.services)) {
        for (const need of needs) t.ok(need in services, `${name} waits for ${need}`)
        for (const [from = ''] of mounts.map((mount) => mount.split(':'))) {
          t.ok(from === `./${yaml}` || volumes.includes(from), `${name} mounts ${from}`)
        }
      }
    }
    t.ok(backend in base.services && backend in override.services)
    t.equal(gateway.env_file, '.env')
  })

  t.test(`${app}: clients reach the gateway, and nothing but the gateway`, async (t) => {
    t.strictSame(base.services[backend]?.ports, ['3080:3080'])
    t.strictSame(override.services[backend]?.ports, [], 'the override takes the app\'s port away')
    t.match(readFileSync(join(docker, app, 'docker-compose.override.yml'), 'utf8'), /ports: !reset \[\]/)
    t.strictSame(gateway.ports, ['3080:8080'])
    t.equal(gateway.environment?.['UPSTREAM_URL'], `http://${backend}:3080`)
    for (const [name, { ports = [] }] of Object.entries(override.services)) {
      if (name !== 'gateway') t.strictSame(ports, [], `${name} is not published`)
    }
    const mongo = base.services['mongodb']?.ports ?? []
    t.strictSame(mongo, app === 'hanzo-chat' ? ['127.0.0.1:27017:27017'] : [], 'the database at most on this machine')
  })

  t.test(`${app}: the app's own moderation is off where it can be, and out of the way elsewhere`, async (t) => {
    const given = override.services[backend]?.environment ?? {}
    for (const name of ['BAN_VIOLATIONS', 'LIMIT_CONCURRENT_MESSAGES', 'LIMIT_MESSAGE_IP', 'LIMIT_MESSAGE_USER']) {
      t.equal(given[name], 'false', name)
    }
    t.equal(given['TRUST_PROXY'], '1')
    for (const name of Object.keys(given)) t.ok(name === 'TRUST_PROXY' || catalogue.has(name), `${name} is one that the apps have`)
    // Message limits have a switch, and a request of the gateway's has no maximum that the app knows.
    const own = readFileSync(join(packageRoot(), 'config/presets', `${app}.yaml`), 'utf8') +
      readFileSync(join(packageRoot(), 'config/presets/librechat.yaml'), 'utf8')
    const maxima = [...new Set(own.match(/\b[A-Z_]+_MAX\b/g))].filter((name) => !/MESSAGE_(?:IP|USER|MAX)/.test(name))
    for (const name of maxima.filter((one) => app === 'librechat' || !/SHARE|AGENT_EVENT/.test(one))) {
      t.ok(Number(given[name]) >= 1_000_000, name)
    }
  })

  t.test(`${app}: with the example's .env the gateway starts on its own database, Redis and limits`, async (t) => {
    const dotenv = parseEnv(readFileSync(join(docker, app, '.env.example'), 'utf8')) as Record<string, string>
    const theirs = {
      MONGO_URI: `mongodb://127.0.0.1:27017/${database}`, REDIS_URI: 'redis://127.0.0.1:6379', CONFIG_PATH: '/elsewhere.yaml',
      USE_REDIS: 'true', REDIS_PASSWORD: 'the app\'s', REDIS_CA: '/app/ca.pem', PORT: '3080', HOST: 'localhost',
    }
    const secrets = { JWT_SECRET: 'a', JWT_REFRESH_SECRET: 'b', OPENID_CLIENT_ID: 'chat' }
    const file = join(docker, app, yaml)
    t.equal(gateway.environment?.['CONFIG_PATH'], `/app/${yaml}`)
    t.ok(gateway.volumes?.includes(`./${yaml}:/app/${yaml}:ro`))
    const env = { ...dotenv, ...theirs, ...secrets, ...gateway.environment, CONFIG_PATH: file }
    const printed = await printedPolicy({ env, cwd: t.testdir({}) })
    t.equal(printed.code, 0, printed.errors)
    t.match(printed.text, `preset ${app}, mode enforce, upstream http://${backend}:3080`)
    t.match(printed.text, `redis at redis:6379; waits 50ms at most, then local; bans also in MongoDB at mongodb:27017/${database}`)
    t.strictSame(printed.warnings, [])
    t.equal(printed.ruleOf('messageIp'), 'ip 40 1m message_limit 1')
    t.equal(printed.ruleOf('uploadUser'), 'user 50 1h file_upload_limit 0')
    t.equal(gateway.environment?.['MONGO_URI'], `mongodb://mongodb:27017/${database}`)
    t.equal(base.services[backend]?.environment?.['MONGO_URI'], `mongodb://mongodb:27017/${database}`, 'the app\'s own')
  })
}
