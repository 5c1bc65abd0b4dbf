const maxHeaderBytes = 8 * 1024
const maxFieldBytes = 1024
const maxParts = 100
const lineEnd = Buffer.from('\r\n')
const headersEnd = Buffer.from('\r\n\r\n')
const boundaryPattern = /; ?boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))/i
const namePattern = /; ?name="([^"]*)"/i
const filenamePattern = /; ?filename="([^"]*)"/i
const typePattern = /^content-type: ?([^\r\n;]*)/im

/** One part of a form, its content counted and dropped. */
export interface Part {
  readonly name: string
  /** Absent for plain fields. */
  readonly filename: string | undefined
  readonly type: string | undefined
  bytes: number
  /** The content of a plain field, up to 1 KiB. */
  value: string
}

/** The body is not a form as its content type says. */
export class MalformedForm extends Error {
  readonly statusCode = 400
}

/**
 * Reads a multipart form of any size as it comes, holding one chunk of it at a time.
 * Throws MalformedForm; whatever the body throws goes through.
 */
export async function readForm (body: AsyncIterable<Buffer>, contentType: string): Promise<readonly Part[]> {
  const boundary = boundaryPattern.exec(contentType)
  if (boundary === null) throw new MalformedForm('The form has no boundary.')
  const scan = createScanner(Buffer.from(`\r\n--${boundary[1] ?? boundary[2] ?? ''}`))
  for await (const chunk of body) scan.take(chunk)
  return scan.finish()
}

type State = 'content' | 'delimiter' | 'headers' | 'done'

function createScanner (delimiter: Buffer) {
  const parts: Part[] = []
  // What stands before the first delimiter is content of no part; the first delimiter needs no line before it.
  let pending: Buffer = lineEnd
  let state: State = 'content'

  /** Each step consumes what it understands; false: more bytes are needed. */
  const steps: Record<State, () => boolean> = {
    content () {
      const at = pending.indexOf(delimiter)
      const length = at === -1 ? Math.max(0, pending.length - delimiter.length + 1) : at
      addContent(parts.at(-1), pending.subarray(0, length))
      pending = pending.subarray(at === -1 ? length : length + delimiter.length)
      if (at !== -1) state = 'delimiter'
      return at !== -1
    },
    delimiter () {
      if (pending.length < 2) return false
      const isLast = pending.subarray(0, 2).toString() === '--'
      if (!isLast && !pending.subarray(0, 2).equals(lineEnd)) throw new MalformedForm('The form is malformed.')
      state = isLast ? 'done' : 'headers'
      return true
    },
    headers () {
      const at = pending.indexOf(headersEnd)
      if (at > maxHeaderBytes || (at === -1 && pending.length > maxHeaderBytes)) {
        throw new MalformedForm('A part of the form has too long a head.')
      }
      if (at === -1) return false
      if (parts.length === maxParts) throw new MalformedForm('The form has too many parts.')
      parts.push(partOf(pending.subarray(0, at).toString()))
      pending = pending.subarray(at + headersEnd.length)
      state = 'content'
      return true
    },
    done () {
      pending = pending.subarray(pending.length)
      return false
    },
  }

  return {
    take (chunk: Buffer): void {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
      while (steps[state]());
    },
    finish (): readonly Part[] {
      if (state !== 'done') throw new MalformedForm('The form ends too early.')
      return parts
    },
  }
}

function addContent (part: Part | undefined, content: Buffer): void {
  if (part === undefined) return
  part.bytes += content.length
  const room = maxFieldBytes - part.value.length
  if (part.filename === undefined && room > 0) part.value += content.subarray(0, room).toString()
}

function partOf (head: string): Part {
  const filename = filenamePattern.exec(head)?.[1]
  return {
    name: namePattern.exec(head)?.[1] ?? '',
    filename: filename === undefined ? undefined : readableName(filename),
    type: typePattern.exec(head)?.[1],
    bytes: 0,
    value: '',
  }
}

/** The web client encodes names as URIs. A name is only ever shown, never a path. */
function readableName (filename: string): string {
  try {
    return decodeURIComponent(filename)
  } catch {
    return filename
  }
}
