import neostandard from 'neostandard'
import tseslint from 'typescript-eslint'

/** Rooms that speak only the domain: no HTTP framework, no process, no other room but through its contract. */
const domainRooms = ['accounts', 'bans', 'browser', 'content', 'doorman', 'limits', 'concurrency', 'violations', 'outcomes', 'suspensions', 'prompt', 'tokens', 'rewriting', 'conditions', 'deliveries']

const forbid = (...patterns) => ({
  'no-restricted-imports': ['error', { patterns: patterns.map(([group, message]) => ({ group, message })) }],
})

const speakDomain = [
  ['fastify', '@fastify/*', 'undici', 'pino'], 'domain rooms speak only the domain',
]
const noStores = [['**/stores/**'], 'only the assembly names a concrete store']
/** Rooms that are entered through the file of their name, and spoken to in the words of their contract. */
const closedRooms = ['classifier', 'conditions', 'deliveries', 'doorman', 'outcomes', 'prompt', 'rewriting', 'tokens']
const throughTheDoor = closedRooms.map((room) => ({
  regex: `/${room}/(?!(?:${room}|contract)\\.js$)`,
  message: `the room ${room} is entered through ${room}.js or contract.js`,
}))
const noProcess = [['**/cli/**', '**/main.js'], 'nothing imports the process']
const noHttpRooms = [['**/upstream/**', '**/admin/**', '**/replies/**', '**/gateway/**', '**/portcullis.js', '**/demo/**'], 'domain rooms know neither HTTP nor the assembly']

export default [
  { ignores: ['dist/', '.tap/', 'data/', 'node_modules/'] },
  ...neostandard({ ts: true }),
  {
    rules: {
      '@stylistic/max-len': ['error', { code: 120, ignoreUrls: true, ignoreStrings: true, ignoreTemplateLiterals: true, ignoreRegExpLiterals: true, ignoreComments: true }],
    },
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { project: ['./test/tsconfig.json'], tsconfigRootDir: import.meta.dirname } },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/await-thenable': 'error',
    },
  },
  // A subtest's promise is tap's to await.
  {
    files: ['test/**'],
    rules: {
      '@typescript-eslint/no-floating-promises': 'off',
      // Expected records read better in a few full lines.
      '@stylistic/object-property-newline': 'off',
    },
  },
  // Under its other name: of one rule only the last setting holds for a file.
  { files: ['src/**'], rules: { '@typescript-eslint/no-restricted-imports': ['error', { patterns: throughTheDoor }] } },
  { files: ['src/verdict/**'], rules: forbid([['**', 'node:*'], 'the verdict room imports nothing']) },
  ...domainRooms.map((room) => ({
    files: [`src/${room}/**`],
    rules: forbid(speakDomain, noStores, noProcess, noHttpRooms, [['**/config/**'], 'rooms get typed values, never configuration']),
  })),
  ...['identity', 'upstream', 'replies', 'policy', 'telemetry', 'classifier'].map((room) => ({
    files: [`src/${room}/**`],
    rules: forbid(noStores, noProcess, [['**/gateway/**', '**/portcullis.js', '**/demo/**'], 'rooms do not know the assembly']),
  })),
  ...['gateway', 'admin', 'demo'].map((part) => ({
    files: [`src/${part}/**`],
    rules: forbid(noStores, noProcess, [['**/portcullis.js'], 'the assembly comes last']),
  })),
  {
    // The process alone knows its environment and decides its end.
    files: ['src/**'],
    ignores: ['src/main.ts', 'src/demo/demo-process.ts'],
    rules: {
      'no-restricted-properties': ['error',
        ...['env', 'exit', 'argv'].map((property) => ({ object: 'process', property, message: 'only the process itself does this' })),
      ],
    },
  },
  { files: ['src/stores/**'], rules: forbid(noProcess, noHttpRooms, [['**/config/**'], 'stores get typed values']) },
  { files: ['src/config/**'], rules: forbid(noProcess, noStores, [['**/gateway/**', '**/portcullis.js'], 'configuration is read before the gateway exists']) },
]
