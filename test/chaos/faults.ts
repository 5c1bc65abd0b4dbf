/** What may befall one Redis; each is done to a real server. */
import { mkdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { until } from '../helpers/backends.js'
import type { RedisServer } from '../helpers/redis.js'

/** A server that comes back does it within this time. */
const BACK_MS = 20_000
/** A pause cannot be ended; this long it takes, on a machine that is late, to notice it and to do what must be done then. */
const PAUSE_MS = 4_000
/** Microseconds that loading one key takes: makes a small file a big one. */
const KEY_LOAD_DELAY = 300

export interface Fault {
  readonly name: string
  /** @param ms how long it will last at least; most faults last until they are ended. */
  begin (ms: number): Promise<unknown>
  /** Resolves when Redis could be used again. */
  end (): Promise<unknown>
  /** True: both gateways must notice, and do without Redis until the end. */
  readonly isAbsence: boolean
  /** True: Redis lost what it held. */
  readonly forgets: boolean
}

/** For the server that these faults are made for. */
export const SERVER_ARGS = [
  '--key-load-delay', String(KEY_LOAD_DELAY), '--loading-process-events-interval-bytes', '1024',
]

export function faultsOf (server: RedisServer): readonly Fault[] {
  return [
    absence('killed, restarted empty', { begin: server.kill, end: server.start, forgets: true }),
    absence('stopped (SIGSTOP)', { begin: async () => server.pause(), end: async () => server.resume() }),
    absence('CLIENT PAUSE', {
      begin: (ms) => server.cli('CLIENT', 'PAUSE', String(Math.max(ms, PAUSE_MS)), 'ALL'),
      end: () => server.cli('PING'),
    }),
    absence('-READONLY', {
      begin: () => server.cli('REPLICAOF', '127.0.0.1', '1'),
      end: () => server.cli('REPLICAOF', 'NO', 'ONE'),
    }),
    absence('-OOM', {
      begin: () => server.cli('CONFIG', 'SET', 'maxmemory', '1'),
      end: () => server.cli('CONFIG', 'SET', 'maxmemory', '0'),
    }),
    absence('-MISCONF', misconf(server)),
    absence('-LOADING', { ...loading(server), forgets: true }),
    absence('-BUSY', busy(server)),
    incident('connections cut', () => server.cli('CLIENT', 'KILL', 'TYPE', 'normal')),
    incident('scripts flushed', () => server.cli('SCRIPT', 'FLUSH')),
    { ...incident('flushed', () => server.cli('FLUSHALL')), forgets: true },
  ]
}

type Deed = Pick<Fault, 'begin' | 'end'> & { readonly forgets?: boolean }

export function absence (name: string, { begin, end, forgets = false }: Deed): Fault {
  return { name, begin, end, isAbsence: true, forgets }
}

/** Over as soon as it has happened. */
export function incident (name: string, begin: () => Promise<unknown>): Fault {
  return { name, begin, end: async () => {}, isAbsence: false, forgets: false }
}

/** A save that fails: a directory lies where the file should. */
function misconf (server: RedisServer): Deed {
  const obstacle = join(server.dir, 'dump.rdb')
  const save = async (outcome: string) => {
    await server.cli('BGSAVE')
    await seen(server, `rdb_last_bgsave_status:${outcome}`)
  }
  return {
    begin: async () => {
      await mkdir(obstacle)
      await server.cli('CONFIG', 'SET', 'save', '3600 100000000')
      await save('err')
    },
    end: async () => {
      await rmdir(obstacle)
      await save('ok')
      await server.cli('CONFIG', 'SET', 'save', '')
      await rm(obstacle)
    },
  }
}

/** A server that comes back with a file that takes its time. */
function loading (server: RedisServer): Deed {
  let started: Promise<void> | undefined
  return {
    begin: async (ms) => {
      const keys = Math.ceil(ms * 1000 / KEY_LOAD_DELAY)
      await server.cli('EVAL', `for i = 1, ${keys} do redis.call('SET', 'filler' .. i, ('x'):rep(100)) end`, '0')
      await server.cli('SAVE')
      await server.kill()
      started = server.start()
      await seen(server, 'loading:1')
    },
    end: async () => {
      await started
      await server.cli('EVAL', "for i = 1, 1e6 do if redis.call('DEL', 'filler' .. i) == 0 then break end end", '0')
      await rm(join(server.dir, 'dump.rdb'))
    },
  }
}

/** Somebody's script that does not end. */
function busy (server: RedisServer): Deed {
  return {
    begin: async () => {
      await server.cli('CONFIG', 'SET', 'lua-time-limit', '50')
      server.cli('EVAL', 'while true do end', '0').catch(() => {})
      await until(() => server.cli('PING').then((answer) => answer.startsWith('BUSY'), () => true), BACK_MS)
    },
    end: () => server.cli('SCRIPT', 'KILL'),
  }
}

async function seen (server: RedisServer, words: string): Promise<void> {
  const told = () => server.cli('INFO', 'persistence').catch(() => '')
  if (!await until(async () => (await told()).includes(words), BACK_MS)) throw new Error(`never ${words}`)
}
