import type { Limiter } from '../../limits/contract.js'
import { EXACT_SLIDING_MAX } from '../../limits/window.js'

/** What `windows.lua` calls the algorithms: fixed window, sliding log, sliding window with weights, GCRA. */
export type Kind = 'f' | 'l' | 'w' | 'g'

export function kindOf ({ algorithm, max, tokens }: Pick<Limiter, 'algorithm' | 'max' | 'tokens'>): Kind {
  switch (algorithm) {
    case 'fixed-window': return 'f'
    case 'gcra': return 'g'
    case 'sliding-window': return max <= EXACT_SLIDING_MAX && tokens === undefined ? 'l' : 'w'
  }
}
