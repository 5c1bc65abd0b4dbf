import { kindOf, OTHER, SPACE } from '../characters.js'
import { textWriter, type TextWriter } from './text-writer.js'

/** A run of fewer letters is left alone: `i.e.`, `a b`. */
const FEWEST = 3
/** More between two letters is no disguise of one word. */
const LONGEST_GAP = 4
const BLANK = 0x20

/** A letter by itself: where it stands, and where what follows it ends. */
interface Run {
  start: number
  /** Behind its last letter. */
  end: number
  letters: number
  narrowest: number
  /** Some letters are parted by more than white space. */
  hasSigns: boolean
}

/**
 * `D A N`, `d-a-n` and `d.a.n` as `dan`: letters that stand alone, three and more, are put together. Wider white space
 * among them is a border of words. Answers the text itself where nothing is spaced out.
 */
export function joinSpacedOut (text: string): string {
  const runs = findRuns(text)
  if (runs.length === 0) return text
  const writer = textWriter(text.length)
  let copied = 0
  for (const run of runs) {
    writer.copy(text, copied, run.start)
    writeRun(writer, text, run)
    copied = run.end
  }
  writer.copy(text, copied, text.length)
  return writer.text()
}

function findRuns (text: string): Run[] {
  const runs: Run[] = []
  let run: Run | undefined
  let index = 0
  while (index < text.length) {
    if (!isWord(text, index)) {
      index++
      continue
    }
    const start = index
    while (index < text.length && isWord(text, index)) index++
    if (index - start === 1) run = extended(text, run, start)
    else run = undefined
    if (run?.letters === FEWEST) runs.push(run)
  }
  return runs
}

/** The run with one more letter; a new one where the gap is too wide. */
function extended (text: string, run: Run | undefined, start: number): Run {
  const gap = run === undefined ? Infinity : start - run.end
  if (run === undefined || gap > LONGEST_GAP) {
    return { start, end: start + 1, letters: 1, narrowest: LONGEST_GAP, hasSigns: false }
  }
  run.narrowest = Math.min(run.narrowest, gap)
  run.hasSigns ||= hasSign(text, run.end, start)
  run.end = start + 1
  run.letters++
  return run
}

function writeRun (writer: TextWriter, text: string, { start, end, narrowest, hasSigns }: Run): void {
  let last = start
  for (let index = start; index < end; index++) {
    if (!isWord(text, index)) continue
    const gap = index - last - 1
    const isBlank = gap > 0 && !hasSign(text, last + 1, index)
    if (isBlank && (hasSigns || gap > narrowest)) writer.put(BLANK)
    writer.put(text.charCodeAt(index))
    last = index
  }
}

function isWord (text: string, index: number): boolean {
  return kindOf(text.charCodeAt(index)) > OTHER
}

function hasSign (text: string, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if (kindOf(text.charCodeAt(index)) !== SPACE) return true
  return false
}
