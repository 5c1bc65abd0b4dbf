const slowDirective = /\[slow:(\d{1,3})\]/i
const failDirective = /\[fail\]/i
const longWish = /\blong\b/i

const echoCharacters = 200
/** Ends with a sentence. */
const longAnswerWords = 219
const wordsPerSlowSecond = 2

const lead = 'Here is a longer answer, made of nothing but patience.'
const filler = 'It streams word by word, goes on when you look away, and is still here when you come back.'

/** How an answer will be given. */
export interface AnswerPlan {
  readonly words: readonly string[]
  /** Between two words. */
  readonly delayMs: number
  /** The answer breaks off with an error after its last word. */
  readonly fails: boolean
}

/**
 * There is no model behind the demo: it repeats what was said. `long` anywhere asks for a long answer,
 * `[slow:SECONDS]` for one that takes so long, `[fail]` for one that breaks off.
 */
export function planAnswer (text: string, tokenDelayMs: number): AnswerPlan {
  const seconds = Number(slowDirective.exec(text)?.[1] ?? 0)
  const fails = failDirective.test(text)
  if (seconds > 0) {
    const words = longAnswer(seconds * wordsPerSlowSecond)
    return { words, delayMs: 1000 / wordsPerSlowSecond, fails }
  }
  return { words: longWish.test(text) ? longAnswer(longAnswerWords) : shortAnswer(text), delayMs: tokenDelayMs, fails }
}

function shortAnswer (text: string): readonly string[] {
  return withSpaces(`You said: “${text.slice(0, echoCharacters).trim()}”. What else?`.split(/\s+/))
}

function longAnswer (count: number): readonly string[] {
  const source = `${lead} ${filler}`.split(' ')
  const repeated = filler.split(' ')
  const words = Array.from({ length: count }, (_, at) =>
    source[at] ?? repeated[(at - source.length) % repeated.length] ?? '')
  return withSpaces(words)
}

/** Every word but the last carries the blank that follows it. */
function withSpaces (words: readonly string[]): readonly string[] {
  return words.map((word, at) => at < words.length - 1 ? `${word} ` : word)
}
