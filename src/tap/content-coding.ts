import type { Transform } from 'node:stream'
import {
  brotliDecompressSync, createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress,
  gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync, type Zlib,
} from 'node:zlib'

/** Compressed bytes that may wait to be decoded; a stream that outruns us by more is no longer followed. */
const maxBacklogBytes = 1024 * 1024
const maxCodings = 3

export type Coding = 'gzip' | 'deflate' | 'br' | 'zstd'

const codings: Readonly<Record<string, Coding>> = Object.freeze({
  gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate', br: 'br', zstd: 'zstd',
})

/** Content codings in the order in which they were applied; undefined: one of them is unknown to us. */
export function codingsOf (header: string | undefined): readonly Coding[] | undefined {
  const found: Coding[] = []
  for (const part of (header ?? '').split(',', maxCodings + 1)) {
    const name = part.trim().toLowerCase()
    if (name === '' || name === 'identity') continue
    const coding = Object.hasOwn(codings, name) ? codings[name] : undefined
    if (coding === undefined || found.length === maxCodings) return undefined
    found.push(coding)
  }
  return found
}

/** Decodes a whole body. Throws zlib's errors: `ERR_BUFFER_TOO_LARGE` past `maxBytes`, others on damaged input. */
export function decodeWhole (body: Buffer, applied: readonly Coding[], maxBytes: number): Buffer {
  let bytes = body
  for (const coding of applied.toReversed()) bytes = decodeOne(bytes, coding, maxBytes)
  return bytes
}

export type Undone = Buffer | 'too-large' | 'damaged'

/**
 * The same away from the event loop, for bodies of clients' making. Anything behind the end of the coded data is
 * damage: some decoders would go on with it.
 */
export async function decodeWholeAside (body: Buffer, applied: readonly Coding[], maxBytes: number): Promise<Undone> {
  let bytes: Undone = body
  for (const coding of applied.toReversed()) {
    if (typeof bytes === 'string') return bytes
    // Data without zlib's header can begin like anything at all.
    if (coding === 'deflate' && !isZlib(bytes)) return 'damaged'
    bytes = await decodeOneAside(bytes, coding, maxBytes)
  }
  return bytes
}

async function decodeOneAside (bytes: Buffer, coding: Coding, maxBytes: number): Promise<Undone> {
  const inflater = openInflater(coding, bytes)
  inflater.end(bytes)
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxBytes) return 'too-large'
      chunks.push(chunk)
    }
  } catch {
    return 'damaged'
  }
  return inflater.bytesWritten === bytes.length ? Buffer.concat(chunks) : 'damaged'
}

function decodeOne (bytes: Buffer, coding: Coding, maxOutputLength: number): Buffer {
  switch (coding) {
    case 'gzip': return gunzipSync(bytes, { maxOutputLength })
    case 'br': return brotliDecompressSync(bytes, { maxOutputLength })
    case 'zstd': return zstdDecompressSync(bytes, { maxOutputLength })
    case 'deflate': return (isZlib(bytes) ? inflateSync : inflateRawSync)(bytes, { maxOutputLength })
  }
}

/** Takes a body piece by piece and hands the decoded bytes on. Never throws; damaged input ends it silently. */
export interface Decoder {
  write (chunk: Buffer): void
  /** No more input; what was taken in is still handed on. `done` is called once it was, or cannot be. */
  end (done?: () => void): void
  /** Nobody listens any more: what was taken in is dropped. */
  stop (): void
}

/** Undefined when the body cannot be followed: an unknown coding, or several. */
export function createDecoder (header: string | undefined, sink: (bytes: Buffer) => void): Decoder | undefined {
  const applied = codingsOf(header)
  if (applied === undefined || applied.length > 1) return undefined
  const coding = applied[0]
  return coding === undefined ? { write: sink, end: (done) => { done?.() }, stop () {} } : createInflater(coding, sink)
}

function createInflater (coding: Coding, sink: (bytes: Buffer) => void): Decoder {
  let inflater: Transform | undefined
  let isOver = false
  const stop = (): void => {
    isOver = true
    inflater?.destroy()
  }
  return {
    write (chunk) {
      if (isOver || chunk.length === 0) return
      inflater ??= openInflater(coding, chunk).on('data', sink).on('error', stop)
      if (inflater.writableLength > maxBacklogBytes) stop()
      else inflater.write(chunk)
    },
    end (done) {
      const isOpen = !isOver && inflater !== undefined
      isOver = true
      if (!isOpen) return done?.()
      if (done !== undefined) inflater?.once('close', done)
      inflater?.end()
    },
    stop,
  }
}

function openInflater (coding: Coding, first: Buffer): Transform & Zlib {
  switch (coding) {
    case 'gzip': return createGunzip()
    case 'br': return createBrotliDecompress()
    case 'zstd': return createZstdDecompress()
    case 'deflate': return isZlib(first) ? createInflate() : createInflateRaw()
  }
}

/** `deflate` means zlib, but some senders leave its header out. */
function isZlib (bytes: Buffer): boolean {
  return ((bytes[0] ?? 0) & 0x0f) === 8
}
