import { connect, createServer, type Socket } from 'node:net'
import { MongoClient, BSON, type Document } from 'mongodb'
import type { Test } from 'tap'
import { createBanBook } from '../../src/bans/bans.js'
import type { Ban, BanBook } from '../../src/bans/contract.js'
import { createMemoryStores, type MemoryStores } from '../../src/stores/memory/memory-stores.js'
import type { Keyed } from '../../src/stores/mongo/mongo.js'
import { createBanRecords, type BanRecords } from '../../src/stores/mongo/ban-records.js'
import { openMongo } from '../../src/stores/mongo/mongo.js'
import { until } from '../helpers/backends.js'
import { collectLog, freshDir, type LoggedLine } from './open-stores.js'

export const HOUR = 3_600_000
const HEADER = 16
const OP_MSG = 2013

export interface Instance {
  readonly book: BanBook
  readonly scores: MemoryStores['scores']
  readonly records: BanRecords
  readonly lines: LoggedLine[]
  readonly dir: string
  close (): Promise<void>
}

export interface InstanceOptions {
  readonly dir?: string
  readonly clock?: () => number
  readonly maxWaiting?: number
  /** false: others may have the same bans; true when absent. */
  readonly isAlone?: boolean
  /** Shorter than in earnest, so that tests are. */
  readonly lookEveryMs?: number
}

/** A gateway's bans, as the assembly joins them: memory store, book, MongoDB. */
export async function openInstance (t: Test, uri: string, options: InstanceOptions = {}): Promise<Instance> {
  const { clock = Date.now, maxWaiting, isAlone = true, lookEveryMs = 200 } = options
  const dir = options.dir ?? await freshDir(t)
  const { lines, log } = collectLog()
  const stores = await createMemoryStores({ dataDir: dir, clock, log, retentionMs: 90 * 24 * HOUR })
  const book = createBanBook({ store: stores.bans, clock, log })
  await book.start()
  const mongo = openMongo({ uri })
  const records = createBanRecords({
    mongo, book, scores: stores.scores, isAlone, clock, log, lookEveryMs, sweepEveryMs: 500,
    ...(maxWaiting === undefined ? {} : { maxWaiting }),
  })
  records.start()
  let closing: Promise<void> | undefined
  const close = async () => {
    await records.close()
    await mongo.close()
    await book.close()
    await stores.close()
  }
  t.teardown(() => { closing ??= close(); return closing })
  return { book, scores: stores.scores, records, lines, dir, close: () => { closing ??= close(); return closing } }
}

/** The operator's shell. */
export async function openShell (t: Test, uri: string) {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 5000 })
  t.teardown(() => client.close())
  const logs = client.db().collection<Keyed>('logs')
  const list = async () => (await logs.find({ type: 'ban' }).sort({ key: 1 }).toArray()).map(({ key }) => String(key))
  return {
    logs,
    users: client.db().collection<Document>('users'),
    list,
    /** Until exactly these documents of ours are there. */
    lists: async (...subjects: string[]) => {
      const wanted = subjects.map((subject) => `portcullis:ban:${subject}`).sort().join()
      return until(async () => (await list()).join() === wanted, 15_000)
    },
  }
}

/** A ban of a user and the address that it happened from, as the ban placer makes them. */
export function pairOf (user: string, address: string, more: Partial<Ban> = {}): Ban[] {
  const now = Date.now()
  const common = { violation: 'message_limit', score: 20, createdAt: now, expiresAt: now + 2 * HOUR, source: 'auto', ...more } as const
  return [
    { ...common, subject: `user:${user}`, linked: [`ip:${address}`] },
    { ...common, subject: `ip:${address}`, linked: [`user:${user}`] },
  ]
}

/** Whether MongoDB has acknowledged every ban of the book. */
export function isRecorded ({ book, records }: Pick<Instance, 'book' | 'records'>): boolean {
  return [...book.all].every(({ recorded }) => recorded !== undefined) && records.health().status === 'ok'
}

export type Answer = Document | undefined | Promise<Document | undefined>

/**
 * Stands between us and the server: answers some commands by itself, in the protocol's own bytes, and passes the rest on.
 * For what the server of the tests cannot be brought to: users without rights, indexes, change streams.
 */
export async function startWire (t: Test, uri: string, answer: (command: Document) => Answer) {
  const { port } = new URL(uri)
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer((client) => {
    if (isCut) return client.destroy()
    const upstream = connect(Number(port), '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {}).on('close', () => { client.destroy(); upstream.destroy(); sockets.delete(socket) })
    }
    upstream.pipe(client)
    let kept = Buffer.alloc(0)
    client.on('data', (chunk) => {
      kept = Buffer.concat([kept, chunk])
      while (kept.length >= HEADER && kept.length >= kept.readInt32LE(0)) {
        const message = kept.subarray(0, kept.readInt32LE(0))
        kept = kept.subarray(message.length)
        relay(message).catch(() => client.destroy())
      }
    })
    async function relay (message: Buffer): Promise<void> {
      const reply = message.readInt32LE(12) === OP_MSG ? await answer(commandIn(message)) : undefined
      if (client.destroyed || upstream.destroyed) return
      if (reply === undefined) upstream.write(message)
      else client.write(replyTo(message, reply))
    }
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const drop = () => { for (const socket of sockets) socket.destroy() }
  t.teardown(() => { drop(); server.close() })
  const url = new URL(uri)
  const address = server.address()
  url.port = typeof address === 'object' && address !== null ? String(address.port) : ''
  return {
    uri: url.href,
    /** Nothing passes until it is mended. */
    cut: () => { isCut = true; drop() },
    mend: () => { isCut = false },
  }
}

/** The command with the sequences of documents that travel beside it (`updates`, `deletes`). */
function commandIn (message: Buffer): Document {
  const command: Document = {}
  for (let at = HEADER + 4; at < message.length;) {
    const end = at + 1 + message.readInt32LE(at + 1)
    if (message[at] === 0) Object.assign(command, BSON.deserialize(message.subarray(at + 1, end)))
    else readSequence(message.subarray(at + 5, end), command)
    at = end
  }
  return command
}

function readSequence (section: Buffer, command: Document): void {
  const nameEnd = section.indexOf(0)
  const documents: Document[] = []
  for (let at = nameEnd + 1; at < section.length; at += section.readInt32LE(at)) {
    documents.push(BSON.deserialize(section.subarray(at, at + section.readInt32LE(at))))
  }
  command[section.toString('utf8', 0, nameEnd)] = documents
}

function replyTo (request: Buffer, document: Document): Buffer {
  const body = BSON.serialize(document)
  const head = Buffer.alloc(HEADER + 5)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(request.readInt32LE(4), 8)
  head.writeInt32LE(OP_MSG, 12)
  return Buffer.concat([head, body])
}
