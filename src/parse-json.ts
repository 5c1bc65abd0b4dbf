/** Parses JSON from anywhere; undefined when it is none (JSON has no undefined of its own). */
export function parseJson (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
