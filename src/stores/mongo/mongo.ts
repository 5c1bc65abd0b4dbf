import { MongoClient, type Collection, type Document } from 'mongodb'

/** Nobody's request waits for these; a server that hangs must not hold the work up for longer. */
const SELECTION_MS = 2000
const CONNECT_MS = 2000
const SOCKET_MS = 5000
const POOL = 10
const CONNECT_AGAIN_MS = 1000

/** A document whose `_id` is text of ours. */
export interface Keyed extends Document { readonly _id: string }

/** The database that the chat app also uses. */
export interface Mongo {
  /** Where ban documents lie beside the app's own. Read from the primary: a lagging copy would look like deletions. */
  readonly logs: Collection<Keyed>
  /** The app's accounts, which we only read. */
  readonly users: Collection
  /** Whether the server has change streams: a replica set or a sharded cluster. Rejects while it is away. */
  hasChangeStreams (): Promise<boolean>
  /** Never rejects. */
  close (): Promise<void>
}

export interface MongoOptions {
  /** As the app has it in `MONGO_URI`; the database is that of its path, else the driver's default. */
  readonly uri: string
}

/**
 * Begins to connect, and goes on trying for ever. Each call rejects after about two seconds while no server answers.
 * Throws for a text that is no connection string.
 */
export function openMongo ({ uri }: MongoOptions): Mongo {
  const client = new MongoClient(uri, {
    appName: 'portcullis',
    serverSelectionTimeoutMS: SELECTION_MS,
    connectTimeoutMS: CONNECT_MS,
    socketTimeoutMS: SOCKET_MS,
    waitQueueTimeoutMS: SELECTION_MS,
    maxPoolSize: POOL,
  })
  const database = client.db()
  const endAttempts = connectUntilThere(client)
  return {
    // Whatever the app's string says: an acknowledgement must mean that the document stays.
    logs: database.collection<Keyed>('logs', {
      readPreference: 'primary', readConcern: { level: 'local' }, writeConcern: { w: 'majority' },
    }),
    users: database.collection('users'),
    hasChangeStreams: async () => {
      const hello = await database.command({ hello: 1 })
      return typeof hello['setName'] === 'string' || hello['msg'] === 'isdbgrid'
    },
    close: async () => {
      endAttempts()
      await client.close().catch(() => {})
    },
  }
}

/** Once connected, the driver finds its servers again by itself; a first attempt that fails it never repeats. */
function connectUntilThere (client: MongoClient): () => void {
  let timer: NodeJS.Timeout | undefined
  let isEnded = false
  const connect = (): void => {
    client.connect().catch(() => {
      if (!isEnded) timer = setTimeout(connect, CONNECT_AGAIN_MS).unref()
    })
  }
  connect()
  return () => {
    isEnded = true
    clearTimeout(timer)
  }
}
