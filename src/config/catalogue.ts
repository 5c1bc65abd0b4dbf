import type { Rule } from './scalars.js'

/** A variable that we read, or that we know and leave alone. */
export interface VariableRule extends Rule {
  /** Smaller values count as this one. */
  readonly floor?: number
}

const text: VariableRule = { kind: 'text' }
const secret: VariableRule = { kind: 'secret' }
const list: VariableRule = { kind: 'list' }
const onOff: VariableRule = { kind: 'switch' }
const count: VariableRule = { kind: 'count' }
const score: VariableRule = { kind: 'number' }
const port: VariableRule = { kind: 'count', maximum: 65_535, expected: 'a port from 0 to 65535' }
/** Windows of the chat app: minutes without a unit. */
export const minutes: VariableRule = { kind: 'number', minimum: 1, expected: 'a number of minutes, 1 or more' }
export const hits: VariableRule = count

const silently = (value: string) => `; the chat app would silently use its default, ${value}`
const span = (value: string): VariableRule => ({
  kind: 'duration',
  expected: `a duration with unit (2h) or arithmetic in milliseconds (1000 * 60 * 60 * 2)${silently(value)}`,
})

/** From talkative to mute. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** Limiters of the chat app: each has `_MAX` and `_WINDOW`. */
const windows = [
  'LOGIN', 'REGISTER', 'RESET_PASSWORD', 'RESET_PASSWORD_SUBMISSION', 'VERIFY_EMAIL', 'VERIFY_EMAIL_SUBMISSION',
  'TWO_FACTOR_TEMP', 'MESSAGE_IP', 'MESSAGE_USER', 'IMPORT_IP', 'IMPORT_USER', 'FORK_IP', 'FORK_USER',
  'FILE_UPLOAD_IP', 'FILE_UPLOAD_USER', 'FILE_USAGE_USER', 'TTS_IP', 'TTS_USER', 'STT_IP', 'STT_USER',
  'SHARE_IP', 'SHARE_USER', 'AGENT_EVENT_USER',
]
const switches = [
  'LIMIT_MESSAGE_IP', 'LIMIT_MESSAGE_USER', 'LIMIT_CONCURRENT_MESSAGES', 'LIMIT_IMPORT_IP', 'LIMIT_IMPORT_USER',
  'LIMIT_FORK_IP', 'LIMIT_FORK_USER', 'LIMIT_FILE_UPLOAD', 'LIMIT_TTS', 'LIMIT_STT', 'SCORE_ANONYMOUS',
  'USE_REDIS', 'USE_REDIS_CLUSTER', 'OPENID_REUSE_TOKENS', 'ALLOW_GUEST_CHAT',
]
const scores = [
  'LOGIN', 'REGISTRATION', 'RESET_PASSWORD', 'RESET_PASSWORD_SUBMISSION', 'VERIFY_EMAIL', 'VERIFY_EMAIL_SUBMISSION',
  'TWO_FACTOR_TEMP', 'MESSAGE', 'CONCURRENT', 'IMPORT', 'FORK', 'FILE_UPLOAD', 'TTS', 'STT', 'TOOL_CALL', 'SHARE',
  'CONVO_ACCESS', 'NON_BROWSER', 'CLOUD_AGENT',
]
const texts = [
  'UPSTREAM_URL', 'GATEWAY_HOST', 'ADMIN_HOST', 'ADMIN_TOKEN_LIST', 'PORTCULLIS_POLICY', 'PORTCULLIS_PRESET',
  'PORTCULLIS_ADMIN_URL', 'CONFIG_PATH', 'DATA_DIR', 'DOMAIN_CLIENT', 'REDIS_KEY_PREFIX', 'REDIS_KEY_PREFIX_VAR', 'REDIS_USERNAME', 'REDIS_CA',
  'OPENID_ISSUER', 'OPENID_CLIENT_ID', 'CCAT_JWT_ALGORITHM', 'GLOBAL_RATE_LIMIT_WARNING', 'JAILBREAK_ALARM_TEXT',
  'TELEGRAM_BOT_USERNAME', 'DOORMAN_BASE_URL', 'DOORMAN_MODEL',
]
const secrets = [
  'ADMIN_TOKEN', 'JWT_SECRET', 'JWT_REFRESH_SECRET', 'REDIS_URI', 'REDIS_PASSWORD', 'MONGO_URI', 'CCAT_JWT_SECRET',
  'CCAT_API_KEY', 'CCAT_API_KEY_WS', 'WEBUI_SECRET_KEY', 'TELEGRAM_WEBHOOK_SECRET', 'DOORMAN_API_KEY',
]

const all = (names: readonly string[], rule: VariableRule, suffix = '') =>
  names.map((name): [string, VariableRule] => [`${name}${suffix}`, rule])

/** Every variable of ours and of the chat app that is ours to understand. */
export const catalogue: ReadonlyMap<string, VariableRule> = new Map([
  ...all(windows, hits, '_MAX'),
  ...all(windows, minutes, '_WINDOW'),
  ...all(switches, onOff),
  ...all(scores, score, '_VIOLATION_SCORE'),
  ...all(texts, text),
  ...all(secrets, secret),
  ...all(['GATEWAY_PORT', 'ADMIN_PORT'], port),
  ...all(['GATEWAY_TRUST_PROXY', 'ADMIN_ALLOWED_HOSTS', 'ALLOWED_USER_IDS', 'ALLOWED_GROUP_IDS'], list),
  ['PORTCULLIS_MODE', { kind: 'choice', values: ['enforce', 'observe', 'off'] }],
  ['LOG_LEVEL', { kind: 'choice', values: logLevels }],
  ['ILLEGAL_MODEL_REQ_SCORE', score],
  ['CONCURRENT_MESSAGE_MAX', { ...count, floor: 1 }],
  ['BAN_VIOLATIONS', onOff],
  ['BAN_DURATION', span('2 hours')],
  ['VIOLATION_SCORE_TTL', span('1 hour')],
  ['BAN_INTERVAL', { kind: 'count', minimum: 1, expected: `a whole number or arithmetic, 1 or more${silently('20')}` }],
  ['GUEST_MESSAGE_MAX', hits],
  ['CLOUD_AGENT_USER_MAX', hits],
  ['CLOUD_AGENT_WINDOW', minutes],
  ['GLOBAL_RATE_LIMIT_REQUESTS_PER_MINUTE', count],
  ['JAILBREAK_TRUNCATE_LEN', count],
])

/** Names that look like a secret though the catalogue does not know them. */
export const secretName = /(?:SECRET|TOKEN|PASSWORD|PASSWD|KEY)$/
