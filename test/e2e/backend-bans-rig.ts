/** A chat app that keeps bans of its own in MongoDB, and gateways that honour them (`bans.importFromBackend`). */
import type { Test } from 'tap'
import { until } from '../helpers/backends.js'
import { startMongo } from '../helpers/mongo.js'
import type { Product, ProductOptions } from '../helpers/product.js'
import { openApp } from '../stores/backend-rig.js'
import { openShell } from '../stores/mongo-rig.js'
import { as, ask, PATIENT, SOON_MS, startChat } from './stage.js'

export const ON = `${PATIENT}bans: { importFromBackend: true }\n`
export const OFF = `${PATIENT}bans: { importFromBackend: false }\n`
export const ID = '6650c0ffee6650c0ffee0001'
export const OTHER = '6650c0ffee6650c0ffee0002'
export const LIFT = `/api/v1/bans/${encodeURIComponent(`user:${ID}`)}`

/** One server for a file of tests; each test has a database of its own. */
export async function createStages (t: Test) {
  const mongo = await startMongo(t)
  let databases = 0
  return async (t: Test, options: Partial<ProductOptions> = {}) => {
    const url = new URL(mongo.uri)
    url.pathname += `_${++databases}`
    const [chat, shell] = await Promise.all([startChat(t), openShell(t, url.href)])
    const common = { upstream: chat.url, policy: ON, mongoUri: url.href, ...options }
    return { shell, app: openApp(shell.logs), common }
  }
}

/** 0: the ban came while it was being answered. */
export const statusOf = async ({ url }: Pick<Product, 'url'>, user: string, ip?: string) =>
  (await ask(`${url}/api/convos`, as({ user, ...ip === undefined ? {} : { ip } })).catch(() => ({ status: 0 }))).status

export const becomes = async (product: Product, user: string, status: number, ms = SOON_MS) =>
  await until(async () => await statusOf(product, user) === status, ms)
