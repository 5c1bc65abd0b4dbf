import { isRecord } from '../files/own-file.js'
import { isBan } from '../stores/memory/bans-file.js'
import type { FromWorker } from './messages.js'

type Members = Readonly<Record<string, unknown>>

const hasId = ({ id }: Members): boolean => typeof id === 'number'
const isLift = (value: unknown): boolean =>
  isRecord(value) && typeof value['subject'] === 'string' && Number.isFinite(value['liftedAt'])
const areMetrics = (value: unknown): boolean => areAll(value, isRecord)

const FITS: Readonly<Record<FromWorker['kind'], (message: Members) => boolean>> = {
  hello: () => true,
  ready: () => true,
  taken: hasId,
  returned: hasId,
  journal: ({ records }) => areAll(records, (record) => isRecord(record) && typeof record['date'] === 'string'),
  bans: ({ id, changes }) =>
    hasId({ id }) && isRecord(changes) && areAll(changes['placed'], isBan) && areAll(changes['lifted'], isLift),
  warning: ({ line }) => typeof line === 'string',
  answer: ({ id, state }) =>
    hasId({ id }) && isRecord(state) && areMetrics(state['metrics']) &&
    isRecord(state['health']) && isRecord(state['health']['checks']),
  leaving: ({ graceMs }) => Number.isFinite(graceMs),
  farewell: ({ metrics }) => areMetrics(metrics),
}

/** Whether it is something that a worker says. What a broken one sends must not end the primary, and so all the others. */
export function isFromWorker (value: unknown): value is FromWorker {
  return isRecord(value) && isKind(value['kind']) && FITS[value['kind']](value)
}

function isKind (value: unknown): value is FromWorker['kind'] {
  return typeof value === 'string' && Object.hasOwn(FITS, value)
}

function areAll (value: unknown, is: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is)
}
