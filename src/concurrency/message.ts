import { runAside } from '../chain.js'
import type { Exchange } from '../exchange.js'
import type { ConcurrencyRule } from '../policy/contract.js'
import type { Lease, LeaseStore } from './contract.js'
import type { Slot } from './slots.js'

/** A lease that a message holds, and the rule that asked for it. */
export interface HeldLease {
  readonly lease: Lease
  readonly rule: ConcurrencyRule
  /** What the client calls this message; undefined: it gives it no usable name. */
  readonly repeatKey: string | undefined
}

/** What one message holds between its admission and the moment at which its answer settles it. */
export interface Message {
  /** What it asks for, in the order of the plan. */
  readonly slots: readonly Slot[]
  held: readonly HeldLease[]
  /** Given back as a whole; a lease that is granted only now goes straight back. */
  isOver: boolean
}

/** The messages that hold something, by exchange. Forgets with the exchange. */
export interface MessageBook {
  open (exchange: Exchange, slots: readonly Slot[]): void
  find (exchange: Exchange): Message | undefined
  /** Notes a granted lease. */
  hold (message: Message, item: HeldLease): void
  /** Gives one lease back. Harmless when it is gone already. */
  giveBack (message: Message, item: HeldLease): void
  giveBackAll (message: Message): void
  /** No longer ours to give back: its stream decides from here on. */
  letGo (message: Message, item: HeldLease): void
}

export function createMessageBook (store: LeaseStore, onError?: (error: Error) => void): MessageBook {
  const messages = new WeakMap<Exchange, Message>()

  const letGo = (message: Message, item: HeldLease): void => {
    message.held = message.held.filter((other) => other !== item)
  }
  const giveBack = (message: Message, item: HeldLease): void => {
    letGo(message, item)
    runAside(() => store.release(item.lease), onError)
  }
  return {
    letGo,
    giveBack,
    find: (exchange) => messages.get(exchange),
    open (exchange, slots) {
      messages.set(exchange, { slots, held: [], isOver: false })
    },
    hold (message, item) {
      message.held = [...message.held, item]
      if (message.isOver) giveBack(message, item)
    },
    giveBackAll (message) {
      message.isOver = true
      for (const item of message.held) giveBack(message, item)
    },
  }
}
