/** What the parts of a message are called that hold words, by OpenAI, Anthropic, Gemini and LibreChat. */

/** Types of parts with words of whoever speaks, and nothing else; members of the same names hold them. */
const WORDS = ['text', 'input_text', 'output_text']

export const OWN_WORDS: ReadonlySet<unknown> = new Set(WORDS)
/** With those that quote words of others. */
export const ALL_WORDS: ReadonlySet<unknown> = new Set([...WORDS, 'document'])
/** Members in which parts hold text; `content` is also that of Anthropic's tool results. */
export const TEXT_MEMBERS: readonly string[] = [...WORDS, 'content', 'parts', 'value']
