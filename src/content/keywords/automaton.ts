import { growTrie, type TrieNode } from './trie.js'

/**
 * The automaton of Aho and Corasick: finds any number of words in one pass over a text. Symbols are numbers from 1, and
 * 0 is what is in no word; the root is state 0.
 */
export interface Automaton {
  /** The state behind a symbol: 0, or one of those of the words. */
  step: (state: number, symbol: number) => number
  /** Some word that ends in this state, the longest; -1: none. */
  longestAt: (state: number) => number
  /** The next word that ends where this one does; -1: none. */
  nextAfter: (word: number) => number
}

const ROOT = 0
const NONE = -1
/** Entries of the table of the states near the root: 4 MiB. */
const MOST_ENTRIES = 2 ** 20
/** Odd, and spread over all bits. */
const MIX_STATE = 0x9E3779B1
const MIX_SYMBOL = 0x85EBCA6B
const HASH_BITS = 32
const FEWEST_BITS = 4

/**
 * Words are known by their place in the list; none may be empty. Where each symbol leads from the states near the root
 * stands in a table; further out, where thousands of Chinese words have few edges each, edges are hashed.
 */
export function createAutomaton (words: readonly (readonly number[])[]): Automaton {
  const { nodes, nextWord } = growTrie(words)
  const width = words.reduce((most, symbols) => symbols.reduce((a, b) => Math.max(a, b), most), 0) + 1
  const tabled = Math.min(nodes.length, Math.max(1, Math.floor(MOST_ENTRIES / width)))
  const table = tableOf(nodes.slice(0, tabled), width)
  const { states, targets, slotOf } = hashEdges(nodes, tabled)
  const fails = Int32Array.from(nodes, ({ fail }) => fail)
  const heads = Int32Array.from(nodes, ({ word }) => word)
  return {
    step: (from, symbol) => {
      let state = from
      while (state >= tabled) {
        const slot = slotOf(state, symbol)
        if (states[slot] === state) return targets[slot] ?? ROOT
        state = fails[state] ?? ROOT
      }
      return table[state * width + symbol] ?? ROOT
    },
    longestAt: (state) => heads[state] ?? NONE,
    nextAfter: (word) => nextWord[word] ?? NONE,
  }
}

/** What has no edge goes where the suffix goes, whose row is earlier. */
function tableOf (nodes: readonly TrieNode[], width: number): Int32Array {
  const table = new Int32Array(nodes.length * width)
  nodes.forEach(({ edges, fail }, state) => {
    const row = state * width
    if (state !== ROOT) table.copyWithin(row, fail * width, (fail + 1) * width)
    for (const [symbol, target] of edges) table[row + symbol] = target
  })
  return table
}

interface Edges {
  /** State that the edge of a slot leaves; -1: the slot is free. */
  readonly states: Int32Array
  readonly targets: Int32Array
  /** Where the edge lies, or the free slot that says that there is none. */
  readonly slotOf: (state: number, symbol: number) => number
}

/** A hash table, at most half full, of the edges of all nodes from `first` on. */
function hashEdges (nodes: readonly TrieNode[], first: number): Edges {
  const bits = Math.max(FEWEST_BITS, Math.ceil(Math.log2((nodes.length - first) * 2 + 1)))
  const last = 2 ** bits - 1
  const states = new Int32Array(last + 1).fill(NONE)
  const symbols = new Int32Array(last + 1)
  const targets = new Int32Array(last + 1)
  const slotOf = (state: number, symbol: number): number => {
    let slot = (Math.imul(state, MIX_STATE) ^ Math.imul(symbol, MIX_SYMBOL)) >>> HASH_BITS - bits
    while (states[slot] !== NONE && (states[slot] !== state || symbols[slot] !== symbol)) slot = (slot + 1) & last
    return slot
  }
  for (let state = first; state < nodes.length; state++) {
    for (const [symbol, target] of nodes[state]?.edges ?? []) {
      const slot = slotOf(state, symbol)
      states[slot] = state
      symbols[slot] = symbol
      targets[slot] = target
    }
  }
  return { states, targets, slotOf }
}
