import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createBanBook } from '../../src/bans/bans.js'
import type { Ban, BanBook, BanEvent } from '../../src/bans/contract.js'
import type { Clock } from '../../src/clock.js'
import { createMemoryBans } from '../../src/stores/memory/bans.js'
import { createRedisBans, type RedisBans } from '../../src/stores/redis/bans.js'
import type { RedisLink } from '../../src/stores/redis/contract.js'
import { until, type Teardown } from '../helpers/backends.js'
import { testLog } from '../helpers/product.js'
import { openLink } from '../helpers/redis-link.js'

export const PATIENCE_MS = 10_000

/** The part of an instance that knows bans. */
export interface Instance {
  readonly book: BanBook
  readonly store: RedisBans
  readonly link: RedisLink
  readonly dataDir: string
  readonly log: ReturnType<typeof testLog>
  readonly events: BanEvent[]
  bans (): readonly string[]
  /** As `kill -9` leaves it: nothing more is sent and nothing more written. */
  kill (): Promise<void>
  close (): Promise<void>
}

export interface InstanceOptions {
  readonly prefix: string
  readonly clock: Clock
  readonly dataDir?: string
  readonly deadlineMs?: number
  readonly maxBans?: number
  /** False: starts without waiting for a connection. */
  readonly connected?: boolean
}

export async function openInstance (t: Test, url: string, options: InstanceOptions): Promise<Instance> {
  const { prefix, clock, deadlineMs = 2000, connected = true, maxBans } = options
  const dataDir = options.dataDir ?? await freshDir(t)
  const log = testLog()
  const link = await openLink(t, url, { prefix, connected, log })
  const store = createRedisBans({ link, disk: createMemoryBans({ dataDir, clock, log }), clock, log, deadlineMs })
  const book = createBanBook({ store, clock, log, ...(maxBans === undefined ? {} : { maxBans }) })
  const events: BanEvent[] = []
  book.on((event) => events.push(event))
  let isOver = false
  const kill = async () => {
    isOver = true
    await link.close()
    await store.close()
  }
  const close = async () => {
    if (isOver) return
    isOver = true
    await book.close()
    await store.close()
    await link.close()
  }
  t.teardown(close)
  await book.start()
  const bans = () => [...book.all].map((ban) => ban.subject).sort()
  return { book, store, link, dataDir, log, events, bans, kill, close }
}

/** Instances on one Redis, each with its own disk. */
export async function openInstances (
  t: Test, urls: readonly string[], clock: Clock, part: Partial<InstanceOptions> = {}
): Promise<Instance[]> {
  const prefix = `${randomUUID()}:`
  return await Promise.all(urls.map((url) => openInstance(t, url, { prefix, clock, ...part })))
}

/** Waits until every instance holds exactly these bans, has nothing left to send and is in step. */
export async function agree (instances: readonly Instance[], subjects: readonly string[]): Promise<boolean> {
  const wanted = JSON.stringify([...subjects].sort())
  const holds = (one: Instance) => JSON.stringify(one.bans()) === wanted && isSettled(one)
  return await until(() => instances.every(holds), PATIENCE_MS)
}

export function isSettled ({ store }: Instance): boolean {
  const { isInStep, outbox } = store.stats()
  return isInStep && outbox === 0
}

/** What stands in Redis, without the records about it. */
export async function bansInRedis ({ link }: Instance): Promise<Map<string, Ban>> {
  const all = Object.entries(await link.calm.hgetall(link.key('bans', ':all')))
  return new Map(all.filter(([subject]) => !subject.startsWith(':')).map(([subject, json]) => [subject, JSON.parse(json)]))
}

export async function freshDir (t: Teardown): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'bans-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export interface Wire {
  readonly url: string
  /** Breaks every connection and takes no more. */
  cut (): void
  mend (): void
}

/** A way to a server of 127.0.0.1 that can be cut. */
export async function startWire (t: Teardown, port: number): Promise<Wire> {
  const sockets = new Set<Socket>()
  let isCut = false
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  }
  const server = createServer((inbound) => {
    if (isCut) return inbound.destroy()
    const outbound = connect({ port, host: '127.0.0.1', noDelay: true })
    keep(inbound)
    keep(outbound)
    inbound.setNoDelay(true).pipe(outbound).pipe(inbound)
    inbound.once('close', () => outbound.destroy())
    outbound.once('close', () => inbound.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = () => {
    isCut = true
    for (const socket of sockets) socket.destroy()
  }
  t.teardown(() => {
    cut()
    server.close()
  })
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, mend: () => { isCut = false },
  }
}
