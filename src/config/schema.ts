/**
 * The policy file: one source for the types, the validation and `config/portcullis.schema.json`.
 * Everything is optional here, since a policy file extends a preset; `defaults.yaml` makes the merged whole complete.
 */
import Type, { type Static } from 'typebox'
import { Dialect, Mode, oneOf, OnFailure, Strict } from './choices.js'
import { GroupPlaces, OncePart, WhenPart } from './condition-schema.js'
import { CheshireCatPart, ContentEntry, PromptPart } from './content-schema.js'
import { DoormanPart } from './doorman-schema.js'
import { Count, Duration, List, Number_, Pattern, Secret, Size, Switch, Text } from './kinds.js'
import { ConcurrencyEntry, LimiterEntry, OutcomeEntry } from './rule-schema.js'
import { TokensEntry } from './tokens-schema.js'

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
  discovery: Type.Optional(Text({ description: 'The issuer, whose /.well-known/openid-configuration names its JWK set' })),
  issuer: Type.Optional(Text({ description: 'With discovery: the same, unless it says otherwise' })),
  audience: Type.Optional(List({ description: 'One of them is enough; NAME* stands for all that begin so and go on' })),
  claim: Type.Optional(Text({ description: 'The claim that names the user' })),
  qualified: Type.Optional(Switch({ description: 'The user\'s id is ISSUER|CLAIM' })),
}, Strict)

const IdentitySource = Type.Object({
  from: List({ description: 'header:NAME[:bearer], cookie:NAME, query:NAME, path:NAME, body:/json/pointer, address' }),
  enabled: Type.Optional(Switch()),
  jwt: Type.Optional(Jwt),
  apiKey: Type.Optional(Type.Object({ pattern: Type.Optional(Pattern()) }, Strict)),
  trustedPeers: Type.Optional(List()),
  secretHeader: Type.Optional(Type.Object({
    name: Text(),
    value: Secret(),
    required: Type.Optional(Switch({ description: 'Without it a request is answered 401 and goes nowhere' })),
  }, Strict)),
  guest: Type.Optional(Switch({ description: 'With from: address. Who is nobody else is the guest of his address' })),
  group: Type.Optional(GroupPlaces),
  alias: Type.Optional(Type.Object({
    from: List({ description: 'header:NAME[:bearer], cookie:NAME, query:NAME, path:NAME' }), jwt: Jwt,
  }, { ...Strict, description: 'Another name of the same person, in the same request; he is known by it' })),
}, Strict)

const Subjects = { users: Type.Optional(List()), addresses: Type.Optional(List()) }

const AllowPart = Type.Object({
  users: Type.Optional(List({ description: 'Ids or e-mails; * = everybody' })),
  groups: Type.Optional(List({ description: 'Ids; * = every group' })),
  required: Type.Optional(Switch({ description: 'true: an empty list lets nobody in; false: two empty lists are no allowlist' })),
  notice: Type.Optional(Type.Object({
    message: Text(),
    every: Type.Optional(Duration({ minimum: 1000 })),
    chat: Type.Optional(List({ description: 'JSON pointers into the body, to whatever names the chat that would read it' })),
  }, { ...Strict, description: 'Told at most so often in a chat; in between the refusal is silent where it can be' })),
}, Strict)

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
  importFromBackend: Type.Optional(Switch({
    description: 'Bans of users that LibreChat itself keeps in MONGO_URI (BANS:<user id> in logs) hold here too, while they stand there',
  })),
  address: Type.Optional(Type.Object({
    enabled: Type.Optional(Switch()),
    sharedBy: Type.Optional(Count({ description: 'Spare an address that more than so many other users use; 0 = never spare' })),
    within: Type.Optional(Duration({ minimum: 0 })),
  }, Strict)),
}, Strict)

export const RouteEntry = Type.Object({
  match: Text({ description: 'METHOD or METHOD,METHOD or *, then a path: :param, *, optional last segment' }),
  unless: Type.Optional(Type.Record(Type.String(), List())),
  auth: Type.Optional(oneOf('required', 'optional')),
  browserOnly: Type.Optional(oneOf('ua', 'strict', 'off')),
  limit: Type.Optional(List({ description: 'Names of limiters, in the order in which they are charged' })),
  forgive: Type.Optional(Duration({
    minimum: 1, description: 'One GET of the same address and path so soon after the last counted one is not counted',
  })),
  outcomes: Type.Optional(List({ description: 'Names of outcomes: violations that only the answer shows' })),
  concurrency: Type.Optional(Text({ description: 'Name of a concurrency rule; the request takes a slot' })),
  releases: Type.Optional(Type.Object({
    concurrency: Text(),
    on: oneOf('stream', 'abort'),
    id: Type.Optional(Text({ description: 'path:NAME: where the stream\'s id stands in this request' })),
  }, Strict)),
  identity: Type.Optional(Type.Array(IdentitySource, { description: 'Credentials that count on this route alone' })),
  account: Type.Optional(Type.Object({
    email: Text({ description: 'JSON pointer to the e-mail in the sign-in; in a form, its last part is the field' }),
    learnEmail: Text({ description: 'JSON pointer to the e-mail in the answer to a sign-in that succeeded' }),
    learnId: Text({ description: 'JSON pointer to the user\'s id in that answer' }),
  }, Strict)),
  login: Type.Optional(Switch({ description: 'A sign-in navigation: refusals redirect to DOMAIN_CLIENT' })),
  prompt: Type.Optional(PromptPart),
  content: Type.Optional(Text({ description: 'Name of the content rules for what is said here' })),
  doorman: Type.Optional(Switch({ description: 'The doorman is asked what sort of message it is, where the policy has him' })),
  conversation: Type.Optional(List({ description: 'JSON pointers to what names the conversation, for the doorman\'s memory' })),
  when: Type.Optional(WhenPart),
  once: Type.Optional(OncePart),
  tokens: Type.Optional(Text({ description: 'Name in tokens: how limiters of tokens, or by model, read this route' })),
  frames: Type.Optional(oneOf('inspect', 'pass')),
  reply: Type.Optional(Dialect),
  mode: Type.Optional(Mode),
}, Strict)

export const PolicyFile = Type.Object({
  version: Type.Optional(Count({ minimum: 1, maximum: 1 })),
  preset: Type.Optional(Text()),
  mode: Type.Optional(Mode),
  upstream: Type.Optional(UpstreamPart),
  client: Type.Optional(ClientPart),
  identity: Type.Optional(Type.Array(IdentitySource)),
  allow: Type.Optional(AllowPart),
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
  tokens: Type.Optional(Type.Record(Type.String(), TokensEntry)),
  outcomes: Type.Optional(Type.Record(Type.String(), OutcomeEntry)),
  concurrency: Type.Optional(Type.Record(Type.String(), ConcurrencyEntry)),
  content: Type.Optional(Type.Record(Type.String(), ContentEntry)),
  doorman: Type.Optional(DoormanPart),
  cheshireCat: Type.Optional(CheshireCatPart),
  limits: Type.Optional(Type.Object({
    maxInspectedBody: Type.Optional(Size()),
    shutdownGrace: Type.Optional(Duration({ minimum: 0 })),
  }, Strict)),
  logs: Type.Optional(Type.Object({
    retention: Type.Optional(Duration({ minimum: 0 })),
  }, Strict)),
  browser: Type.Optional(Type.Object({ violation: Type.Optional(Text()), score: Type.Optional(Number_()) }, Strict)),
  reply: Type.Optional(Dialect),
  oauthRedirect: Type.Optional(Text({ description: 'Where refused sign-in navigations are sent back to' })),
  routes: Type.Optional(Type.Array(RouteEntry)),
}, Strict)

/** A policy file as decoded: durations in milliseconds, sizes in bytes, placeholders filled in. */
export type PolicyDocument = Static<typeof PolicyFile>
export type RouteDocument = Static<typeof RouteEntry>
export type LimiterDocument = Static<typeof LimiterEntry>
export type OutcomeDocument = Static<typeof OutcomeEntry>
export type ConcurrencyDocument = Static<typeof ConcurrencyEntry>
export type IdentityDocument = Static<typeof IdentitySource>
