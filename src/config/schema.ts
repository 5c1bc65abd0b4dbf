/**
 * The policy file: one source for the types, the validation and `config/portcullis.schema.json`.
 * Everything is optional here, since a policy file extends a preset; `defaults.yaml` makes the merged whole complete.
 */
import Type, { type Static } from 'typebox'
import { Count, Duration, List, Number_, Pattern, Secret, Size, Switch, Text } from './kinds.js'

const Strict = { additionalProperties: false } as const
const oneOf = <const T extends string[]>(...values: T) =>
  Type.Unsafe<T[number]>({ kind: 'choice', anyOf: [{ enum: values }, { type: 'string', pattern: '\\$\\{' }], values })

export const Mode = oneOf('enforce', 'observe', 'off')
const OnFailure = oneOf('local', 'open', 'closed')

const UpstreamPart = Type.Object({
  url: Type.Optional(Text({ description: 'Where the backend listens: http://, https:// or unix:/path/to.sock' })),
  host: Type.Optional(oneOf('preserve', 'upstream')),
  forwarder: Type.Optional(oneOf('dispatch', 'http-proxy')),
  connectTimeout: Type.Optional(Duration({ minimum: 0 })),
  responseTimeout: Type.Optional(Duration({ minimum: 0, description: 'Until the head of an answer; 0 = no limit' })),
  idleTimeout: Type.Optional(Duration({ minimum: 0, description: 'Silence within an answer; 0 = no limit' })),
  tls: Type.Optional(Type.Object({
    ca: Type.Optional(Text({ description: 'PEM file with certificates of further authorities' })),
    verify: Type.Optional(Switch()),
  }, Strict)),
}, Strict)

const ClientPart = Type.Object({
  trustedProxies: Type.Optional(List({ description: 'loopback, private, CIDRs, or one number of hops' })),
  addressHeader: Type.Optional(oneOf('x-forwarded-for', 'forwarded', 'cf-connecting-ip', 'true-client-ip', 'x-real-ip')),
  ipv6Prefix: Type.Optional(Count({ minimum: 1, maximum: 128 })),
  methodOverride: Type.Optional(oneOf('drop', 'pass')),
}, Strict)

const Jwt = Type.Object({
  algorithms: Type.Optional(List({ description: 'HS256 … with secret; RS256, ES256 … with jwks. Never both families.' })),
  secret: Type.Optional(Secret()),
  jwks: Type.Optional(Text({ description: 'URL of a JWK set' })),
  issuer: Type.Optional(Text()),
  audience: Type.Optional(List()),
  claim: Type.Optional(Text({ description: 'The claim that names the user' })),
}, Strict)

const IdentitySource = Type.Object({
  from: List({ description: 'header:NAME[:bearer], cookie:NAME, query:NAME, path:NAME, body:/json/pointer' }),
  jwt: Type.Optional(Jwt),
  apiKey: Type.Optional(Type.Object({ pattern: Type.Optional(Pattern()) }, Strict)),
  trustedPeers: Type.Optional(List()),
  secretHeader: Type.Optional(Type.Object({ name: Text(), value: Secret() }, Strict)),
  group: Type.Optional(List()),
}, Strict)

const Subjects = { users: Type.Optional(List()), addresses: Type.Optional(List()) }

const StorePart = Type.Object({
  url: Type.Optional(Secret({
    description: 'redis://, rediss://, redis+sentinel:// or rediss+sentinel://; of a Cluster several with commas between',
  })),
  deadline: Type.Optional(Duration({ minimum: 1, maximum: 30_000, description: 'A decision waits no longer for Redis' })),
  onFailure: Type.Optional(OnFailure),
}, Strict)

const BansPart = Type.Object({
  enabled: Type.Optional(Switch({ description: 'Automatic bans; false also ignores those already placed. Manual ones hold.' })),
  duration: Type.Optional(Duration({ description: '0 or less: no ban' })),
  interval: Type.Optional(Count({ minimum: 1, description: 'A ban follows each time a score crosses a multiple of it' })),
  scope: Type.Optional(oneOf('type', 'total')),
  scoreTtl: Type.Optional(Duration({ description: '0 or less: scores never run out' })),
  scoreAnonymous: Type.Optional(Switch({ description: 'Violations before login score the address' })),
  address: Type.Optional(Type.Object({
    enabled: Type.Optional(Switch()),
    sharedBy: Type.Optional(Count({ description: 'Spare an address that more than so many other users use; 0 = never spare' })),
    within: Type.Optional(Duration({ minimum: 0 })),
  }, Strict)),
}, Strict)

export const LimiterEntry = Type.Object({
  enabled: Type.Optional(Switch()),
  key: Type.Optional(List({ description: 'ip, user, group, global, or several of them' })),
  max: Type.Optional(Count({ description: 'Requests that pass per window; 0 = nothing passes' })),
  window: Type.Optional(Duration({ minimum: 1 })),
  algorithm: Type.Optional(oneOf('fixed-window', 'sliding-window', 'gcra')),
  burst: Type.Optional(Count({ minimum: 1 })),
  anonymous: Type.Optional(oneOf('skip', 'ip')),
  count: Type.Optional(Type.Object({ status: Type.Array(Count({ minimum: 100, maximum: 599 })) }, Strict)),
  persist: Type.Optional(Switch()),
  violation: Type.Optional(Text()),
  score: Type.Optional(Number_()),
  status: Type.Optional(Count({ minimum: 400, maximum: 499 })),
  message: Type.Optional(Text()),
  onFailure: Type.Optional(OnFailure),
  mode: Type.Optional(Mode),
}, Strict)

export const ConcurrencyEntry = Type.Object({
  enabled: Type.Optional(Switch()),
  key: Type.Optional(List()),
  max: Type.Optional(Count({ minimum: 1 })),
  lease: Type.Optional(Duration({ minimum: 1000 })),
  release: Type.Optional(oneOf('response', 'stream')),
  violation: Type.Optional(Text()),
  score: Type.Optional(Number_()),
  onFailure: Type.Optional(OnFailure),
  mode: Type.Optional(Mode),
  stream: Type.Optional(Type.Object({
    id: Type.Optional(Text({ description: 'JSON pointer to the stream id in the answer to the message' })),
    repeat: Type.Optional(Text({ description: 'JSON pointer in the message to what the client calls it' })),
    aborted: Type.Optional(Text({ description: 'JSON pointer to the stream id in the answer to a successful abort' })),
    active: Type.Optional(Type.Object({
      path: Text({ description: 'GET on the backend, with the caller\'s credentials' }),
      list: Text({ description: 'JSON pointer to the array of stream ids still running' }),
    }, Strict)),
  }, Strict)),
}, Strict)

export const RouteEntry = Type.Object({
  match: Text({ description: 'METHOD or METHOD,METHOD or *, then a path: :param, *, optional last segment' }),
  unless: Type.Optional(Type.Record(Type.String(), List())),
  auth: Type.Optional(oneOf('required', 'optional')),
  browserOnly: Type.Optional(oneOf('ua', 'strict', 'off')),
  limit: Type.Optional(List({ description: 'Names of limiters, in the order in which they are charged' })),
  concurrency: Type.Optional(Text({ description: 'Name of a concurrency rule; the request takes a slot' })),
  releases: Type.Optional(Type.Object({
    concurrency: Text(),
    on: oneOf('stream', 'abort'),
    id: Type.Optional(Text({ description: 'path:NAME: where the stream\'s id stands in this request' })),
  }, Strict)),
  account: Type.Optional(Type.Object({
    email: Text({ description: 'JSON pointer to the e-mail in the sign-in; in a form, its last part is the field' }),
    learnEmail: Text({ description: 'JSON pointer to the e-mail in the answer to a sign-in that succeeded' }),
    learnId: Text({ description: 'JSON pointer to the user\'s id in that answer' }),
  }, Strict)),
  login: Type.Optional(Switch({ description: 'A sign-in navigation: refusals redirect to DOMAIN_CLIENT' })),
  reply: Type.Optional(oneOf('librechat-json', 'librechat-sse', 'problem')),
  mode: Type.Optional(Mode),
}, Strict)

export const PolicyFile = Type.Object({
  version: Type.Optional(Count({ minimum: 1, maximum: 1 })),
  preset: Type.Optional(Text()),
  mode: Type.Optional(Mode),
  upstream: Type.Optional(UpstreamPart),
  client: Type.Optional(ClientPart),
  identity: Type.Optional(Type.Array(IdentitySource)),
  allow: Type.Optional(Type.Object({ users: Type.Optional(List()), groups: Type.Optional(List()) }, Strict)),
  exempt: Type.Optional(Type.Object({
    ...Subjects,
    skipLimits: Type.Optional(Switch()),
    userAgents: Type.Optional(List()),
  }, Strict)),
  deny: Type.Optional(Type.Object(Subjects, Strict)),
  store: Type.Optional(StorePart),
  violations: Type.Optional(Type.Record(Type.String(), Type.Object({ score: Number_() }, Strict))),
  bans: Type.Optional(BansPart),
  limiters: Type.Optional(Type.Record(Type.String(), LimiterEntry)),
  concurrency: Type.Optional(Type.Record(Type.String(), ConcurrencyEntry)),
  limits: Type.Optional(Type.Object({
    maxInspectedBody: Type.Optional(Size()),
    shutdownGrace: Type.Optional(Duration({ minimum: 0 })),
  }, Strict)),
  logs: Type.Optional(Type.Object({
    retention: Type.Optional(Duration({ minimum: 0 })),
  }, Strict)),
  browser: Type.Optional(Type.Object({ violation: Type.Optional(Text()), score: Type.Optional(Number_()) }, Strict)),
  reply: Type.Optional(oneOf('librechat-json', 'librechat-sse', 'problem')),
  oauthRedirect: Type.Optional(Text({ description: 'Where refused sign-in navigations are sent back to' })),
  routes: Type.Optional(Type.Array(RouteEntry)),
}, Strict)

/** A policy file as decoded: durations in milliseconds, sizes in bytes, placeholders filled in. */
export type PolicyDocument = Static<typeof PolicyFile>
export type RouteDocument = Static<typeof RouteEntry>
export type LimiterDocument = Static<typeof LimiterEntry>
export type ConcurrencyDocument = Static<typeof ConcurrencyEntry>
export type IdentityDocument = Static<typeof IdentitySource>
