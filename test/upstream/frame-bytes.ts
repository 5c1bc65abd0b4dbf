import { isUtf8 } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { constants, deflateRawSync } from 'node:zlib'

export interface FrameOptions {
  readonly fin?: boolean
  readonly opcode?: number
  readonly rsv?: number
  /** Undefined: a random one; null: none. */
  readonly mask?: Buffer | null
  /** What the head says, where that is not the truth. */
  readonly length?: bigint
}

/** The bytes of one WebSocket frame, as wrong as one likes. */
export function frameBytes (payload: Buffer | string, options: FrameOptions = {}): Buffer {
  const { fin = true, opcode = 1, rsv = 0, mask = randomBytes(4) } = options
  const data = Buffer.from(payload)
  const { length = BigInt(data.length) } = options
  const head = Buffer.alloc(length < 126n ? 2 : length < 65536n ? 4 : 10)
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  head[1] = mask === null ? 0 : 0x80
  if (head.length === 2) head[1] |= Number(length)
  if (head.length === 4) {
    head[1] |= 126
    head.writeUInt16BE(Number(length), 2)
  }
  if (head.length === 10) {
    head[1] |= 127
    head.writeBigUInt64BE(length, 2)
  }
  return Buffer.concat(mask === null ? [head, data] : [head, mask, masked(data, mask)])
}

/** As permessage-deflate has it: the empty block at the end is left out. */
export function compressed (payload: Buffer): Buffer {
  return deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
}

export interface Frame {
  readonly first: number
  readonly isMasked: boolean
  /** As the head says; 126 while it only says that it is long. */
  readonly length: number
  readonly isWhole: boolean
  readonly payload: Buffer
}

/** A stream taken apart; of the last frame what there is. */
export function framesIn (bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at + 2 <= bytes.length;) {
    const second = bytes[at + 1] as number
    const isMasked = second > 0x7f
    const { length, size } = lengthAt(bytes, at + 1)
    const start = at + 1 + size + (isMasked ? 4 : 0)
    const data = bytes.subarray(start, start + length)
    const payload = isMasked ? masked(data, bytes.subarray(start - 4, start)) : data
    frames.push({ first: bytes[at] as number, isMasked, length, isWhole: start + length <= bytes.length, payload })
    at = start + length
  }
  return frames
}

function lengthAt (bytes: Buffer, at: number): { readonly length: number, readonly size: number } {
  const short = (bytes[at] as number) & 0x7f
  if (short < 126) return { length: short, size: 1 }
  const size = short === 126 ? 3 : 9
  if (at + size > bytes.length) return { length: 126, size }
  return { length: size === 3 ? bytes.readUInt16BE(at + 1) : Number(bytes.readBigUInt64BE(at + 1)), size }
}

/** `1`/`2`: a message; `9`/`10`: ping and pong; `8`: a close frame; `!`: against the protocol. */
export type Event = readonly [kind: number | '!', payload: string]

/** What a client says by a stream of frames, by the letter of RFC 6455 §5, up to its close frame or first offence. */
export function eventsIn (bytes: Buffer, maxBytes: number): Event[] {
  const events: Event[] = []
  let open: { opcode: number, parts: Buffer[], length: number } | undefined
  for (const { first, isMasked, length, isWhole, payload } of framesIn(bytes)) {
    const opcode = first & 0x0f
    const fin = first > 0x7f
    const isControl = opcode > 7
    const known = isControl ? opcode < 11 && fin && length < 126 : opcode < 3 && (opcode === 0) === (open !== undefined)
    if ((first & 0x70) !== 0 || !isMasked || !known) return [...events, ['!', '']]
    if (!isControl && (open?.length ?? 0) + length > maxBytes) return [...events, ['!', '']]
    if (!isWhole) return opcode === 8 && length === 1 ? [...events, ['!', '']] : events
    if (isControl) {
      if (opcode === 8) return [...events, isClose(payload) ? [8, payload.toString('latin1')] : ['!', '']]
      events.push([opcode, payload.toString('latin1')])
      continue
    }
    open ??= { opcode, parts: [], length: 0 }
    open.parts.push(payload)
    open.length += length
    if (!fin) continue
    const whole = Buffer.concat(open.parts)
    if (open.opcode === 1 && !isUtf8(whole)) return [...events, ['!', '']]
    events.push([open.opcode, whole.toString('latin1')])
    open = undefined
  }
  return events
}

function isClose (payload: Buffer): boolean {
  if (payload.length === 0) return true
  if (payload.length === 1 || !isUtf8(payload.subarray(2))) return false
  const code = payload.readUInt16BE(0)
  return (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
}

function masked (data: Buffer, mask: Buffer): Buffer {
  return data.map((byte, i) => byte ^ (mask[i % 4] as number)) as Buffer
}
