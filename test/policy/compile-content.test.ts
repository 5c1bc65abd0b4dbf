import t, { type Test } from 'tap'
import { runCommand } from '../../src/cli/cli.js'
import type { Policy } from '../../src/policy/contract.js'
import { createPlanner, NO_PARTS } from '../../src/policy/plan.js'
import { createRouteTable } from '../../src/policy/route-table.js'
import { loadPolicy } from '../../src/policy/load-policy.js'
import { sink } from '../cli/sink.js'

const CAT = { env: { CCAT_JWT_SECRET: 'purr' } }

t.test('the plugin\'s settings make the limiter and the content rules that they stand for', async (t) => {
  const { policy } = await load(t, 'preset: cheshire-cat')
  t.match(policy.limiters.get('catRate'), {
    key: ['user'], anonymous: 'ip', max: 30, windowMs: 3_600_000, algorithm: 'sliding-window', persist: true, after: 'content',
    suspend: { durationMs: 1_800_000 },
  })
  t.equal(wordsOf(policy), 'You have sent too many messages. Please wait {minutes} minutes before sending new messages.')
  const rules = policy.content.get('default')
  t.match(rules, { scope: 'last', suspensionsMs: [300_000, 900_000, 3_600_000], reset: { resetAfterMs: 3_600_000, resetOn: 'quiet' } })
  t.match(rules?.checks, [
    { name: 'default.length', action: 'suspend', severity: undefined },
    { name: 'default.keywords', action: 'suspend', severity: 2 },
    { name: 'default.nonAlphanumeric', action: 'suspend' },
  ])
  t.match(rules?.messages.blocked, /^Your account .* for \{minutes\} minutes due to a content policy violation\.$/)
})

t.test('0 and nothing switch its checks off, and what the rules say themselves outranks it', async (t) => {
  const { policy } = await load(t, `
preset: cheshire-cat
cheshireCat: { max_prompt_length: 0, non_alphanumeric_threshold: 0, jailbreak_keywords: "a, b", user_limited_message: "Wait {minutes}, {max} in {windowMinutes}" }
limiters: { catRate: { max: 7, onExceed: { suspend: 1m } } }
content: { default: { scope: all, messages: { blocked: No } } }
`)
  t.match(policy.content.get('default'), { scope: 'all', messages: { blocked: 'No' } })
  t.match(policy.content.get('default')?.checks, [{ name: 'default.keywords' }])
  t.match(policy.limiters.get('catRate'), { max: 7, suspend: { durationMs: 60_000 } })
  t.equal(wordsOf(policy), 'Wait {minutes}, 7 in 60')
  const words = await load(t, 'preset: cheshire-cat\ncontent: { default: { messages: { limited: "Slowly, {minutes}" } } }')
  t.equal(wordsOf(words.policy), 'Slowly, {minutes}')
  const quiet = await load(t, 'preset: cheshire-cat\ncheshireCat: { user_limited_message: Hush }\ncontent: { default: { enabled: false } }')
  t.equal(wordsOf(quiet.policy), 'Hush', 'though nothing looks at what is said')
  const off = await load(t, 'preset: cheshire-cat\ncheshireCat: { enable_rate_limit: false }')
  t.same([off.policy.content.size, off.policy.limiters.size], [0, 0])
  const own = await load(t, 'preset: cheshire-cat\ncontent: { default: { checks: [ { kind: length, max: 9 } ] } }')
  t.match(own.policy.content.get('default')?.checks, [{ name: 'default.length', action: 'refuse' }])
})

const RULES = `
preset: generic
limiters:
  wordy: { key: ip, max: 5, window: 2m, after: content, onExceed: { suspend: 30m } }
  terse: { key: ip, max: 5, window: 2m, onExceed: { suspend: 1m, message: Own } }
content:
  one:
    checks:
      - { kind: keywords, list: [a], action: score, violation: jailbreak }
      - { kind: keywords, list: [b], mode: observe, action: suspend }
      - { kind: keywords, list: [c], enabled: false }
      - { kind: pattern, patterns: [d, e], mode: off }
      - { kind: length, max: 9, message: "{max} at most" }
    messages: { limited: "{minutes}: {max}" }
  two: { mode: observe, checks: [ { kind: length, max: 3 } ] }
  three: { mode: off, checks: [ { kind: length, max: 3 } ] }
violations: { jailbreak: { score: 7 } }
routes:
  - { match: POST /a, limit: [wordy, terse], prompt: { text: [/text, "/parts/*/text"], fields: [say], rest: /system }, content: one }
  - { match: POST /A, prompt: { conversation: { list: /messages, role: /role, text: /content } }, content: two, mode: observe }
  - { match: POST /c, limit: [wordy], prompt: { text: /text }, content: three }
  - { match: GET /ws, limit: [wordy], frames: inspect, prompt: { text: /text }, content: one, reply: cheshire-cat }
`

t.test('checks are named and priced, and those that are off are left out', async (t) => {
  const { policy } = await load(t, RULES)
  t.match(policy.content.get('one')?.checks, [
    { name: 'one.keywords', action: 'score', violation: 'jailbreak', score: 7 },
    { name: 'one.keywords2', action: 'flag' },
    { name: 'one.length', action: 'refuse', violation: 'content_violation', score: 1, message: '9 at most' },
  ])
  t.equal(policy.content.get('one')?.checks.length, 3)
  t.same([...policy.content.keys()], ['one', 'two'])
  t.equal(policy.content.get('two')?.observe, true)
  const [route] = policy.routes
  t.same(route?.limiters.map(({ suspend }) => suspend?.message), ['{minutes}: 5', 'Own'], 'the words of the route\'s content, unless a limiter has its own')
})

t.test('a request that leads to several entries is inspected by the rules of all, and not at all where none looks', async (t) => {
  const { policy } = await load(t, RULES)
  const planner = createPlanner(policy, () => NO_PARTS)
  const table = createRouteTable(policy.routes)
  const planOf = (method: string, path: string) => planner.planOf(table.match(method, path)?.entries ?? [])
  const both = planOf('POST', '/A')
  t.match(both.inspections.map(({ content }) => [content.name, content.observe]).sort(), [['one', false], ['two', true]])
  t.same(planOf('POST', '/c').inspections, [], 'switched off')
  t.equal(planOf('GET', '/ws').frames?.inspections[0]?.content.name, 'one')
  t.equal(planOf('GET', '/ws').dialectOf('one.length'), 'cheshire-cat')
})

t.test('check and explain show what is looked at, and what follows', async (t) => {
  const check = await run(t, ['check'], RULES)
  t.match(check, /one\.keywords\s+│ last\s+│ refuses, scores 7 for jailbreak/)
  t.match(check, /two\.length\s+│ last \(observe\)\s+│ refuses/)
  t.match(check, /all, after content\s+│ 429, suspends for 30m/)
  t.match(check, 'wordy, content one (/text), each frame by itself')
  t.match(check, 'content one (/text, /parts/*/text, instructions at /system, field say)')
  const cat = await run(t, ['explain', 'POST', '/agents/x/message'], 'preset: cheshire-cat')
  t.match(cat, /1\. ban or deny.*\n\s+2\. suspension: .*\n\s+3\. content default, looking at the conversation at \/messages \(last\); suspensions 5m, 15m, 1h; back to the first after 1h of quiet/)
  t.match(cat, /content check default\.keywords: suspends, from level 2\n/)
  t.match(cat, /content check default\.nonAlphanumeric: suspends\n\s+7\. limiter catRate: 30 per 1h by user .* all, after content; no violation; refused with 429, suspends for 30m\n\s+8\. forward/)
  t.match(await run(t, ['explain', 'GET', '/ws'], 'preset: cheshire-cat'), 'of each frame those from the suspension on')
})

/** What who sent too many messages reads. */
function wordsOf ({ routes }: Policy): string | undefined {
  return routes[0]?.limiters.find(({ name }) => name === 'catRate')?.suspend?.message
}

async function load (t: Test, text: string) {
  return await loadPolicy({ cwd: t.testdir({ 'p.yaml': text }), policyFile: 'p.yaml', ...CAT })
}

async function run (t: Test, argv: readonly string[], text: string): Promise<string> {
  const [out, err] = [sink(), sink()]
  const cwd = t.testdir({ config: { 'portcullis.yaml': text } })
  const code = await runCommand({ argv, ...CAT, cwd, stdout: out.stream, stderr: err.stream })
  t.same([code, err.text()], [0, ''])
  return out.text()
}
