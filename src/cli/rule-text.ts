import type { Limiter } from '../limits/contract.js'
import type { OutcomeSign } from '../outcomes/contract.js'

/** What a limiter counts: `all`, `guests`, `members`, `answers 401, 403`, `answers 401 to guests`. */
export function countedText ({ only, countStatus }: Pick<Limiter, 'only' | 'countStatus'>): string {
  if (countStatus.length === 0) return only ?? 'all'
  return `answers ${countStatus.join(', ')}${only === undefined ? '' : ` to ${only}`}`
}

/** How a limiter's refusal shows itself: `429`, `402 GUEST_LIMIT`, `429, limiter "submission"`. */
export function refusalText ({ status, type, shownAs }: Pick<Limiter, 'status' | 'type' | 'shownAs'>): string {
  const called = type === undefined ? String(status) : `${status} ${type}`
  return shownAs === undefined ? called : `${called}, limiter "${shownAs}"`
}

/** By what an outcome knows its answer: `status 200, event error, /text "Illegal model request"`. */
export function signText ({ status, event, value }: OutcomeSign): string {
  return [
    ...status.length === 0 ? [] : [`status ${status.join(' or ')}`],
    ...event === undefined ? [] : [`event ${event}`],
    ...value === undefined ? [] : [`/${value.pointer.join('/')} ${JSON.stringify(value.equals)}`],
  ].join(', ')
}
