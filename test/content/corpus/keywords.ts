/** The replaced plugin's own list, and some more of the kind. */
export const KEYWORDS = [
  'ignore your instructions', 'pretend to be', 'act as if', 'developer mode', 'reply as', 'you are without restrictions',
  'without censorship', 'you have no limits', 'you have no rules', 'DAN', 'jailbreak', 'system prompt',
  'bypass the filter', 'unlock everything', 'evil twin', 'hidden rules', 'grandma exploit', 'ignoriere deine regeln',
]
