import type { Test } from 'tap'
import type { Ban, BanStore } from '../../src/bans/contract.js'

/** @param id the same id opens the same bans again, as another process would */
type OpenBans = (t: Test, id: string) => BanStore | Promise<BanStore>

const NOW = Date.parse('2026-11-21T12:00:00Z')

export function banOf (subject: string, part: Partial<Ban> = {}): Ban {
  return {
    subject,
    violation: 'message_limit',
    score: 20,
    createdAt: NOW,
    expiresAt: NOW + 7_200_000,
    source: 'auto',
    linked: [],
    ...part,
  }
}

/** What every store of bans must hold. */
export function runBanContract (t: Test, name: string, openBans: OpenBans): void {
  const loaded = async (t: Test, id: string) =>
    (await (await openBans(t, id)).load()).toSorted((a, b) => a.subject < b.subject ? -1 : 1)

  t.test(`${name}: what was saved is there for the next one, whole`, async (t) => {
    const store = await openBans(t, 'saved')
    t.same(await store.load(), [])
    const user = banOf('user:42', { linked: ['ip:2001:db8::/64'], note: 'by "hand"\n' })
    const address = banOf('ip:2001:db8::/64', { expiresAt: null, source: 'admin', violation: 'manual', score: 0, linked: ['user:42'] })
    await store.save([user, address])
    t.same(await loaded(t, 'saved'), [address, user])
  })

  t.test(`${name}: lifted bans stay lifted, and a new one replaces an older`, async (t) => {
    const store = await openBans(t, 'lifted')
    await store.load()
    const bans = [banOf('user:1'), banOf('user:2'), banOf('user:3')]
    await store.save(bans)
    const longer = banOf('user:3', { expiresAt: NOW + 1 })
    await store.save([longer])
    await store.remove(['user:2', 'user:never'])
    t.same(await loaded(t, 'lifted'), [banOf('user:1'), longer])
  })

  t.test(`${name}: many at once are all there when the last has resolved`, async (t) => {
    const store = await openBans(t, 'many')
    await store.load()
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.save([banOf(`user:${i}`)])))
    t.equal((await loaded(t, 'many')).length, 300)
  })
}
