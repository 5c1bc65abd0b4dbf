import type { Test } from 'tap'
import type { Ban, BanReplica, BanStore } from '../../src/bans/contract.js'

/**
 * The same id opens the same bans again, as another process would: with its own disk, where the store is shared.
 * The clock stands at `NOW`.
 */
type OpenBans = (t: Test, id: string) => BanStore | Promise<BanStore>

export const NOW = Date.parse('2026-11-21T12:00:00Z')

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

export function liftOf (subject: string, liftedAt = NOW, by = 'test') {
  return { subject, liftedAt, by }
}

/** A book that only notes what it is told. */
export function keptReplica (): BanReplica & { readonly bans: Map<string, Ban> } {
  const bans = new Map<string, Ban>()
  return {
    bans,
    get all () { return bans.values() },
    get: (subject) => bans.get(subject),
    apply: ({ placed, lifted }) => {
      for (const ban of placed) bans.set(ban.subject, ban)
      for (const { subject } of lifted) bans.delete(subject)
    },
  }
}

/** What every store of bans must hold. */
export function runBanContract (t: Test, name: string, openBans: OpenBans): void {
  const started = async (t: Test, id: string) => {
    const store = await openBans(t, id)
    const replica = keptReplica()
    for (const ban of await store.load()) replica.bans.set(ban.subject, ban)
    await store.follow?.(replica)
    return { store, loaded: () => [...replica.bans.values()].toSorted((a, b) => a.subject < b.subject ? -1 : 1) }
  }
  const loaded = async (t: Test, id: string) => (await started(t, id)).loaded()

  t.test(`${name}: what was saved is there for the next one, whole`, async (t) => {
    const { store, loaded: before } = await started(t, 'saved')
    t.same(before(), [])
    const user = banOf('user:42', { linked: ['ip:2001:db8::/64'], note: 'by "hand"\n', recorded: 'first' })
    const address = banOf('ip:2001:db8::/64', {
      expiresAt: null, source: 'admin', violation: 'manual', score: 0, linked: ['user:42'], renewedAt: NOW + 1,
    })
    await store.save([user, address])
    t.same(await loaded(t, 'saved'), [address, user])
  })

  t.test(`${name}: lifted bans stay lifted, and a new one replaces an older`, async (t) => {
    const { store } = await started(t, 'lifted')
    const bans = [banOf('user:1'), banOf('user:2'), banOf('user:3')]
    await store.save(bans)
    const other = banOf('user:3', { expiresAt: NOW + 1, linked: ['ip:1.1.1.1'] })
    await store.save([other])
    await store.remove([liftOf('user:2', NOW + 5), liftOf('user:never')])
    t.same(await loaded(t, 'lifted'), [banOf('user:1'), other])
    t.equal(store.liftedAt('user:2'), NOW + 5)
    t.equal(store.liftedAt('user:1'), undefined)
    t.equal((await started(t, 'lifted')).store.liftedAt('user:2'), NOW + 5, 'known to the next one')
    await store.save([banOf('user:2', { createdAt: NOW + 6 })])
    t.same((await loaded(t, 'lifted'))[1], banOf('user:2', { createdAt: NOW + 6 }), 'banned anew')
  })

  t.test(`${name}: a lift ends no ban that was placed after it`, async (t) => {
    const { store } = await started(t, 'later')
    await store.save([banOf('user:1', { renewedAt: NOW + 9 }), banOf('user:2')])
    await store.remove([liftOf('user:1', NOW + 8), liftOf('user:2', NOW + 8)])
    t.same((await loaded(t, 'later')).map((ban) => ban.subject), ['user:1'])
  })

  t.test(`${name}: bans that ran out are forgotten, which is no lift`, async (t) => {
    const { store } = await started(t, 'forgotten')
    await store.save([banOf('user:1'), banOf('user:2', { expiresAt: NOW - 1 })])
    await store.forget(['user:2', 'user:never'])
    t.same(await loaded(t, 'forgotten'), [banOf('user:1')])
    t.equal(store.liftedAt('user:2'), undefined)
  })

  t.test(`${name}: many at once are all there when the last has resolved`, async (t) => {
    const { store } = await started(t, 'many')
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.save([banOf(`user:${i}`)])))
    t.equal((await loaded(t, 'many')).length, 300)
  })
}
