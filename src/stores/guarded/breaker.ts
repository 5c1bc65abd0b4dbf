import type { Clock } from '../../clock.js'
import { TooLateError, within } from './deadline.js'

const FAILURES = 5
const MIN_PROBE_MS = 100
const MAX_PROBE_MS = 2000
/** A store that fails again so soon after its return is probed as slowly as before. */
const STABLE_MS = 10_000

export interface BreakerOptions {
  /**
   * Asks the store for what real work asks for, a small write: its success ends the absence. Rejects when the store
   * cannot do it. Never called twice at once, and by nobody's request.
   */
  probe (): Promise<unknown>
  /** Milliseconds that a caller waits for the store; a probe that takes longer has failed. */
  readonly deadlineMs: number
  readonly clock: Clock
  /** From 0 to 1, so that many instances do not probe at one instant. */
  random (): number
  /** False: there is no connection at the start, and nobody is sent before the first probe succeeded. */
  readonly isConnected?: boolean
  /** Failures in a row that open it. */
  readonly failures?: number
  readonly minProbeMs?: number
  readonly maxProbeMs?: number
}

export interface BreakerChange {
  /** True: from now on nobody is sent to the store. */
  readonly isOpen: boolean
  /** Why, in words that hold no secrets. */
  readonly reason: string
  /** Milliseconds that the store was away; 0 when it opens. */
  readonly awayMs: number
}

/** Remembers whether it is worth asking the store. To look costs nothing; finding out goes on in the background. */
export class Breaker {
  readonly #options: BreakerOptions
  readonly #listeners: ((change: BreakerChange) => void)[] = []
  #isOpen = false
  #isConnected = true
  #isEnded = false
  #isProbing = false
  #generation = 0
  #failures = 0
  #reason = ''
  #openedAt = 0
  #closedAt = -Infinity
  #delayMs: number
  #timer: NodeJS.Timeout | undefined

  constructor (options: BreakerOptions) {
    this.#options = options
    this.#delayMs = this.#minProbeMs
    if (options.isConnected === false) this.connectionChanged(false)
  }

  /** True: the store is away, do not ask it. */
  get isOpen (): boolean { return this.#isOpen }

  /** Counts the returns of the store. A failure tells it, since what was asked before an absence says nothing of now. */
  get generation (): number { return this.#generation }

  /** Why and for how many milliseconds the store has been away; undefined: it is not. */
  get absence (): { readonly reason: string, readonly awayMs: number } | undefined {
    return this.#isOpen ? { reason: this.#reason, awayMs: this.#options.clock() - this.#openedAt } : undefined
  }

  succeeded (): void {
    this.#failures = 0
  }

  failed (error: unknown, generation: number): void {
    if (this.#isOpen || generation !== this.#generation) return
    if (++this.#failures >= (this.#options.failures ?? FAILURES)) this.#open(whyAway(error))
  }

  /** Without a connection it opens at once; with a new one it probes soon. */
  connectionChanged (isConnected: boolean): void {
    this.#isConnected = isConnected
    if (!isConnected) this.#open('there is no connection')
    else if (this.#isOpen) this.#schedule(this.#options.random() * this.#minProbeMs)
  }

  /** Probes now, for somebody whose failure may be his own fault; opens it when the probe fails too. */
  async check (): Promise<void> {
    if (this.#isOpen || this.#isProbing) return
    await this.#tryProbe((reason) => this.#open(reason))
  }

  /** Tells of each change, until the end. */
  onChange (listener: (change: BreakerChange) => void): void {
    this.#listeners.push(listener)
  }

  /** Ends the probing; it stays as it is. */
  close (): void {
    this.#isEnded = true
    clearTimeout(this.#timer)
  }

  get #minProbeMs (): number { return this.#options.minProbeMs ?? MIN_PROBE_MS }

  #open (reason: string): void {
    if (this.#isOpen || this.#isEnded) return
    const { clock } = this.#options
    if (clock() - this.#closedAt > STABLE_MS) this.#delayMs = this.#minProbeMs
    this.#isOpen = true
    this.#reason = reason
    this.#openedAt = clock()
    this.#tell({ isOpen: true, reason, awayMs: 0 })
    this.#backOff()
  }

  #close (): void {
    const { clock } = this.#options
    clearTimeout(this.#timer)
    this.#isOpen = false
    this.#failures = 0
    this.#generation++
    this.#closedAt = clock()
    this.#tell({ isOpen: false, reason: this.#reason, awayMs: this.#closedAt - this.#openedAt })
  }

  #tell (change: BreakerChange): void {
    for (const listener of this.#listeners) listener(change)
  }

  #backOff (): void {
    this.#schedule(this.#delayMs * (0.5 + this.#options.random() / 2))
    this.#delayMs = Math.min(this.#delayMs * 2, this.#options.maxProbeMs ?? MAX_PROBE_MS)
  }

  #schedule (delayMs: number): void {
    clearTimeout(this.#timer)
    if (this.#isEnded) return
    // Never rejects, unless a listener throws, which is not to end the process.
    this.#timer = setTimeout(() => { this.#probe().catch(() => {}) }, delayMs).unref()
  }

  async #probe (): Promise<void> {
    if (!this.#isOpen) return
    // Somebody's check, or a probe that hangs.
    if (this.#isProbing) return this.#backOff()
    const isWell = await this.#tryProbe((reason) => { this.#reason = reason })
    if (this.#isEnded || !this.#isOpen) return
    if (isWell && this.#isConnected) this.#close()
    else this.#backOff()
  }

  async #tryProbe (onFailure: (reason: string) => void): Promise<boolean> {
    const { probe, deadlineMs } = this.#options
    this.#isProbing = true
    try {
      await within(deadlineMs, probe)
      return true
    } catch (error) {
      onFailure(whyAway(error))
      return false
    } finally {
      this.#isProbing = false
    }
  }
}

/** For whoever runs the gateway. Errors hold addresses and keys; of them only a leading code is told. */
function whyAway (error: unknown): string {
  if (error instanceof TooLateError) return 'its answers come too late'
  const code = error instanceof Error ? /^[A-Z]{2,}\b/.exec(error.message)?.[0] : undefined
  return code === undefined ? 'it cannot be reached' : `it answers ${code}`
}
