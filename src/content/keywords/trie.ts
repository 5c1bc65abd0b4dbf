/** A tree of words with the links of Aho and Corasick, as automata are made from. */
export interface TrieNode {
  /** Symbol → place of the node. */
  readonly edges: ReadonlyMap<number, number>
  /** Place of the node of the longest suffix, which comes earlier. */
  readonly fail: number
  /** Some word that ends here, the longest; -1: none. */
  readonly word: number
}

export interface Trie {
  /** Level by level; the first is the root. */
  readonly nodes: readonly TrieNode[]
  /** Of each word the next that ends where it does; -1: none. */
  readonly nextWord: Int32Array
}

interface Node {
  edges: Map<number, number>
  fail: number
  word: number
}

const ROOT = 0
const NONE = -1

/** Words are lists of symbols, and are known by their place. None may be empty. */
export function growTrie (words: readonly (readonly number[])[]): Trie {
  const planted: Node[] = [newNode()]
  const nextWord = new Int32Array(words.length).fill(NONE)
  words.forEach((symbols, word) => {
    const end = plant(planted, symbols)
    nextWord[word] = end.word
    end.word = word
  })
  const nodes = inLevels(planted)
  for (const node of nodes) {
    for (const [symbol, target] of node.edges) at(nodes, target).fail = suffixOf(nodes, node, symbol)
    if (node !== nodes[ROOT]) appendWords(node, at(nodes, node.fail).word, nextWord)
  }
  return { nodes, nextWord }
}

function newNode (): Node {
  return { edges: new Map(), fail: ROOT, word: NONE }
}

function plant (nodes: Node[], symbols: readonly number[]): Node {
  let node = at(nodes, ROOT)
  for (const symbol of symbols) {
    let target = node.edges.get(symbol)
    if (target === undefined) {
      target = nodes.push(newNode()) - 1
      node.edges.set(symbol, target)
    }
    node = at(nodes, target)
  }
  return node
}

/** The nodes numbered anew, so that those near the root, which are visited most, lie together. */
function inLevels (planted: readonly Node[]): Node[] {
  const order = [ROOT]
  const places = new Int32Array(planted.length)
  for (let index = 0; index < order.length; index++) {
    for (const target of at(planted, order[index] ?? ROOT).edges.values()) places[target] = order.push(target) - 1
  }
  return order.map((place) => {
    const node = at(planted, place)
    node.edges = new Map([...node.edges].map(([symbol, target]) => [symbol, places[target] ?? ROOT]))
    return node
  })
}

function suffixOf (nodes: readonly Node[], node: Node, symbol: number): number {
  if (node === nodes[ROOT]) return ROOT
  for (let place = node.fail; ; place = at(nodes, place).fail) {
    const target = at(nodes, place).edges.get(symbol)
    if (target !== undefined) return target
    if (place === ROOT) return ROOT
  }
}

/** Hangs the words of the suffix behind the node's own, which no other node has. */
function appendWords (node: Node, words: number, nextWord: Int32Array): void {
  if (node.word === NONE) {
    node.word = words
    return
  }
  let last = node.word
  for (let next = nextWord[last] ?? NONE; next !== NONE; next = nextWord[last] ?? NONE) last = next
  nextWord[last] = words
}

function at (nodes: readonly Node[], place: number): Node {
  const node = nodes[place]
  if (node === undefined) throw new RangeError(`no node ${place}`)
  return node
}
