import t from 'tap'
import { until } from '../helpers/backends.js'
import { startRedisCluster } from '../helpers/redis-cluster.js'
import { startSentinel } from '../helpers/redis-sentinel.js'
import { absence, incident } from './faults.js'
import { tableOf, type Row } from './figures.js'
import { endure, IS_LONG, openPlay } from './trial.js'

const rows: Row[] = []
t.teardown(() => { if (IS_LONG) process.stderr.write(`\n${tableOf(rows)}\n\n`) })

t.test('a failover to the replica, while the gateways are under load', async (t) => {
  const sentinel = await startSentinel(t)
  const play = await openPlay(t, sentinel.url)
  // Redis replicates asynchronously: the last writes may be lost.
  const fault = { ...incident('Sentinel: master killed', sentinel.failover), forgets: true }
  const row = await endure(t, play, fault)
  t.ok(row.violations.booked <= row.violations.made, 'none counts twice')
  rows.push(row)
})

t.test('a node of a Cluster that is killed and restarted, while the gateways are under load', async (t) => {
  const { url, nodes: [first, node] } = await startRedisCluster(t)
  if (first === undefined || node === undefined) throw new Error('There are three.')
  const play = await openPlay(t, url)
  const isWhole = async () => (await first.cli('CLUSTER', 'INFO')).includes('cluster_state:ok')
  rows.push(await endure(t, play, absence('Cluster: node killed, restarted empty', {
    begin: node.kill,
    end: async () => {
      await node.start()
      t.ok(await until(isWhole, 20_000), 'the Cluster is whole')
    },
    forgets: true,
  })))
})
