import { demoAccount } from './demo-account.js'

const browser = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'

export interface WhatToTryOptions {
  /** Where people reach the gateway, without a trailing slash. */
  readonly gatewayUrl: string
  /** How the reader calls us (`npx portcullis`). */
  readonly command?: string | undefined
}

/** What `npm start` prints once the gateway stands before the demo backend. The numbers are the defaults. */
export function whatToTry (options: WhatToTryOptions): string {
  return `The demo chat is open:  ${options.gatewayUrl}/
Sign in as ${demoAccount.email} with the password ${demoAccount.password}, or create an account.

To see abuse turned away, paste these lines into another terminal, block by block or all at once.

${linesToTry(options)}`
}

/**
 * The lines alone, for a POSIX shell with curl and sed; they build on each other in this order.
 * Comments hold no quotes or brackets, since zsh reads pasted comments as commands.
 */
export function linesToTry ({ gatewayUrl, command = 'npx portcullis' }: WhatToTryOptions): string {
  return `# Once: where, as which browser, and three short words for what follows.
GATEWAY=${gatewayUrl}
BROWSER='${browser}'
post () { curl -s -A "$BROWSER" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d "$2" "$GATEWAY$1"; echo; }
login () { post /api/auth/login "{\\"email\\":\\"${demoAccount.email}\\",\\"password\\":\\"$1\\"}"; }
say () { post /api/agents/chat/demo "{\\"text\\":\\"$1\\"}"; }

# 1. Sign in, then guess passwords. Seven attempts in five minutes pass, those on the page included;
#    the 8th is refused: Too many login attempts.
reply=$(login ${demoAccount.password})
TOKEN=$(printf %s "$reply" | sed -n 's/.*"token":"\\([^"]*\\)".*/\\1/p')
USER_ID=$(printf %s "$reply" | sed -n 's/.*"user":{"id":"\\([^"]*\\)".*/\\1/p')
echo "attempt 1: signed in as user $USER_ID"
for n in 2 3 4 5 6 7 8; do echo "attempt $n: $(login wrong)"; done

# 2. Send 41 messages within a minute, each after the answer to the last. The 41st is refused:
#    type message_limit, max 40, and how many seconds to wait.
for n in $(seq 1 41); do
  reply=$(say "hello $n")
  echo "message $n: $reply"
  STREAM=$(printf %s "$reply" | sed -n 's/.*"streamId":"\\([^"]*\\)".*/\\1/p')
  [ -z "$STREAM" ] || curl -sN -A "$BROWSER" -H "Authorization: Bearer $TOKEN" "$GATEWAY/api/agents/chat/stream/$STREAM" >/dev/null
done

# 3. Wait for the next minute, then ask for three slow answers at once. Two start; the third is refused:
#    type concurrent, limit 2.
sleep 60
for n in 1 2 3; do say "[slow:5] number $n"; done
sleep 7

# 4. The same message from curl without the name of a browser: Illegal request. That costs 20 points, which
#    is a ban; the next request, browser or not, is answered 403 with type ban, the reason and expiresAt.
#    The page is closed to you too, because the ban holds for the user and for the address.
curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"text":"hello"}' "$GATEWAY/api/agents/chat/demo"; echo
say hello

# 5. See who is banned, and lift it: the user goes free with the address, and messages pass again.
${command} bans
${command} bans lift "user:$USER_ID"
say hello
`
}
