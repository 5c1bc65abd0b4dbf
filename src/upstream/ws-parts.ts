/**
 * The parts that `ws` builds its WebSockets from, which it exports and its types leave out: one that takes frames apart,
 * one that makes them, one that undoes their compression.
 */
import type { Duplex } from 'node:stream'

declare module 'ws' {
  /** A Writable that takes apart the frames written to it. Fails with a `code` (`WS_ERR_…`, or zlib's). */
  export class Receiver {
    constructor (options: ReceiverOptions)
    write (piece: Buffer, done: () => void): boolean
    on (event: 'message', listener: (data: Buffer, binary: boolean) => void): this
    on (event: 'ping' | 'pong', listener: (data: Buffer) => void): this
    on (event: 'conclude', listener: (code: number, reason: Buffer) => void): this
    on (event: 'error', listener: (error: Error) => void): this
    /** Not promised by `ws`, and nowhere else to be learnt: all three are 0 where nothing is begun. */
    readonly _bufferedBytes: number
    readonly _fragmented: number
    readonly _state: number
  }

  export interface ReceiverOptions {
    readonly extensions: Readonly<Record<string, PerMessageDeflate>>
    /** True: what comes must be masked. */
    readonly isServer: boolean
    readonly maxBufferedChunks: number
    readonly maxFragments: number
    readonly maxPayload: number
  }

  /** Writes frames to a socket, each at once as long as nothing is compressed. */
  export class Sender {
    constructor (socket: Duplex, extensions: Readonly<Record<string, PerMessageDeflate>>)
    send (data: Buffer, options: SendOptions): void
    ping (data: Buffer, mask: boolean): void
    pong (data: Buffer, mask: boolean): void
    /** No code: a close frame without any. The reason has at most 123 bytes. */
    close (code: number | undefined, reason: Buffer | string, mask: boolean): void
  }

  export interface SendOptions {
    readonly binary: boolean
    readonly mask: boolean
    readonly compress: boolean
    readonly fin: boolean
  }

  export class PerMessageDeflate {
    static readonly extensionName: 'permessage-deflate'
    constructor (options: { readonly isServer: boolean, readonly maxPayload: number })
    /** @throws when the parameters are none of the extension's. */
    accept (configurations: ExtensionParameters[]): unknown
    cleanup (): void
  }

  export type ExtensionParameters = Record<string, (string | true)[]>

  export const extension: {
    /** @throws when the field is malformed. */
    parse (header: string): Record<string, ExtensionParameters[]>
    format (extensions: Record<string, ExtensionParameters[]>): string
  }
}

export { PerMessageDeflate, Receiver, Sender, extension } from 'ws'
