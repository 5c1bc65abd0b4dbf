import t from 'tap'
import type { Check } from '../../src/exchange.js'
import type { Limiter } from '../../src/limits/contract.js'
import type { Policy, RouteEntry } from '../../src/policy/contract.js'
import type { MessageRules, Requirements } from '../../src/policy/plan-contract.js'
import { createPlanner, NO_PARTS } from '../../src/policy/plan.js'

const limiter = (name: string): Limiter => ({
  name,
  key: ['ip'],
  max: 1,
  windowMs: 1000,
  tokens: undefined,
  algorithm: 'fixed-window',
  burst: 1,
  anonymous: 'skip',
  countStatus: [],
  persist: false,
  violation: undefined,
  score: 0,
  status: 429,
  only: undefined,
  type: undefined,
  shownAs: undefined,
  after: 'head',
  suspend: undefined,
  drop: undefined,
  message: undefined,
  observe: false,
  onFailure: 'local',
})
const entry = (index: number, asked: Partial<RouteEntry>): RouteEntry => ({
  index,
  match: `GET /${index}`,
  methods: ['GET'],
  path: `/${index}`,
  unless: new Map(),
  authRequired: false,
  identity: [],
  browserOnly: 'off',
  limiters: [],
  tokens: undefined,
  forgiveMs: 0,
  outcomes: [],
  concurrency: undefined,
  releases: undefined,
  account: undefined,
  prompt: undefined,
  content: undefined,
  doorman: undefined,
  when: undefined,
  once: undefined,
  inspectsFrames: false,
  login: false,
  reply: 'problem',
  mode: undefined,
  ...asked,
})
const policy = { mode: 'enforce', defaultReply: 'problem' } as Policy
const check: Check = () => undefined

const planner = (over: Partial<Policy> = {}) => {
  const compiled: Requirements[] = []
  const { planOf, handshakePlanOf } = createPlanner({ ...policy, ...over }, (requirements) => {
    compiled.push(requirements)
    return { ...NO_PARTS, headChecks: [check] }
  })
  return { planOf, handshakePlanOf, compiled }
}

t.test('one plan per combination of entries, compiled once', async (t) => {
  const { planOf, compiled } = planner()
  const [a, b] = [entry(0, {}), entry(1, {})]
  t.equal(planOf([a]), planOf([a]))
  t.equal(planOf([a, b]), planOf([a, b]))
  t.equal(planOf([]), planOf([]))
  t.equal(compiled.length, 3)
  t.equal(planOf([a]).label, 'GET /0')
  t.equal(planOf([]).label, 'unmatched')
})

t.test('several entries: the checks of all, each limiter once, the strictest of every demand', async (t) => {
  const [shared, other] = [limiter('shared'), limiter('other')]
  const plan = planner().planOf([
    entry(0, { limiters: [shared], browserOnly: 'ua', reply: 'librechat-json' }),
    entry(1, { limiters: [shared, other], authRequired: true, browserOnly: 'strict', reply: 'librechat-sse' }),
  ])
  t.same(plan.limiters.map(({ name }) => name), ['shared', 'other'])
  t.ok(plan.authRequired)
  t.same(plan.browser, { level: 'strict', observe: false })
  t.equal(plan.dialectOf('shared'), 'librechat-json', 'the dialect of the entry that brought the rule')
  t.equal(plan.dialectOf('other'), 'librechat-sse')
  t.equal(plan.dialectOf('ban'), 'librechat-json', 'the first entry speaks for everything else')
})

t.test('an entry that only observes marks its rules; one that enforces them too wins', async (t) => {
  const shared = limiter('shared')
  const observing = entry(0, { limiters: [shared], browserOnly: 'ua', mode: 'observe' })
  const plan = planner().planOf([observing])
  t.equal(plan.mode, 'observe')
  t.ok(plan.limiters[0]?.observe)
  t.ok(plan.browser?.observe)
  const both = planner().planOf([observing, entry(1, { limiters: [shared] })])
  t.equal(both.mode, 'enforce')
  t.notOk(both.limiters[0]?.observe)
})

t.test('entries that look at frames ask of each frame what they ask of a request, and nothing of the handshake', async (t) => {
  const names = (rules: MessageRules | undefined) => rules?.limiters.map(({ name }) => name)
  const entries = [entry(0, { limiters: [limiter('a')], inspectsFrames: true }), entry(1, { limiters: [limiter('b')] })]
  const { planOf, handshakePlanOf } = planner()
  t.same([names(planOf(entries)), names(planOf(entries).frames)], [['a', 'b'], ['a']])
  t.same([names(handshakePlanOf(entries)), names(handshakePlanOf(entries).frames)], [['b'], ['a']])
  t.equal(handshakePlanOf(entries), handshakePlanOf(entries))
  const others = entries.slice(1)
  t.equal(handshakePlanOf(others), planOf(others), 'elsewhere it is one plan')
})

t.test('an entry that is off asks nothing', async (t) => {
  const plan = planner().planOf([entry(0, { limiters: [limiter('x')], browserOnly: 'ua', mode: 'off' })])
  t.same(plan.limiters, [])
  t.equal(plan.browser, undefined)
  t.equal(planner({ mode: 'off' }).planOf([]).mode, 'off')
})
