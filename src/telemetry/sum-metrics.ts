import { AggregatorRegistry, type MetricObject } from 'prom-client'
import type { MetricsSnapshot, MetricValues } from './contract.js'

/** What would be counted twice, or counted on, when its process is gone. */
const LASTING = new Set(['counter', 'histogram'])

/** Several processes as one, in Prometheus' text format: counters add up, a gauge as it was declared. */
export async function renderSum (snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return await AggregatorRegistry.aggregate(copied(snapshots)).metrics()
}

/** What must not be forgotten of processes that ended: a counter that fell would look like a burst afterwards. */
export async function sumOfEnded (snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const lasting = snapshots.map((metrics) => metrics.filter(({ type }) => LASTING.has(type)))
  return valuesOf(await AggregatorRegistry.aggregate(copied(lasting)).getMetricsAsJSON())
}

/** What prom-client tells, under the types of ours. */
export function valuesOf (metrics: readonly MetricObject[]): MetricValues[] {
  return metrics.map((metric) => ({ ...metric, type: String(metric.type) }))
}

/** prom-client takes arrays that it may change. */
function copied (snapshots: readonly MetricsSnapshot[]): object[][] {
  return snapshots.map((metrics) => [...metrics])
}
