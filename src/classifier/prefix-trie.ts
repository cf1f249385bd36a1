// The prefixes that the rules of a classifier have on one 32-bit field, as a binary tree with
// compressed paths. It says which prefix lengths can match a value at all, and how few of the
// value's leading bits show it (Open vSwitch, lib/classifier.c: trie_lookup_value). Owned by one
// thread; a lookup allocates nothing.

interface Node {
  /** The bits of this edge, left-aligned; `length` of them count. */
  bits: number;
  /** 0 to 32; 0 only for a root that branches at the first bit. */
  length: number;
  /** How many rules have the prefix that ends here. */
  rules: number;
  zero: Node | null;
  one: Node | null;
}

/** The first `length` (0 to 32) bits of a word set. */
export function prefixMask(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
}

/** Shifts bits out to the left; by 32 too, which `<<` cannot. */
function shiftOut(bits: number, by: number): number {
  return by >= 32 ? 0 : (bits << by) >>> 0;
}

/** How many leading bits two left-aligned runs have in common, at most `most`. */
function commonBits(a: number, b: number, most: number): number {
  return Math.min(Math.clz32(a ^ b), most);
}

export class PrefixTrie {
  private root: Node | null = null;
  /** After `lookup`: bit n - 1 is set when a rule has the value's first n bits as its prefix. */
  lengths = 0;

  /**
   * Looks a value up; the lengths that match are in `lengths`.
   * @returns how many leading bits had to be looked at to know that there are no others, 0 to 32.
   */
  lookup(value: number): number {
    this.lengths = 0;
    let matched = 0;
    let node = this.root;
    let isLeaf = true;
    while (node !== null) {
      const equal = commonBits(node.bits, shiftOut(value, matched), node.length);
      matched += equal;
      // The first bit that differs was looked at too.
      if (equal < node.length) return matched + 1;
      if (node.rules > 0) this.lengths |= 1 << (matched - 1);
      if (matched >= 32) return 32;
      isLeaf = node.zero === null && node.one === null;
      node = (shiftOut(value, matched) | 0) < 0 ? node.one : node.zero;
    }
    return isLeaf ? matched : matched + 1;
  }

  /** @param length 1 to 32. */
  insert(value: number, length: number): void {
    const prefix = (value & prefixMask(length)) >>> 0;
    if (this.root === null) this.root = leaf(prefix, length);
    else this.root = insertInto(this.root, prefix, length);
  }

  /** Takes out one rule's prefix, which must have been inserted. */
  remove(value: number, length: number): void {
    const prefix = (value & prefixMask(length)) >>> 0;
    if (this.root !== null) this.root = removeFrom(this.root, prefix, length);
  }
}

function leaf(bits: number, length: number): Node {
  return { bits, length, rules: 1, zero: null, one: null };
}

/** Below a node: at most 32 nodes deep. */
function insertInto(node: Node, bits: number, length: number): Node {
  const equal = commonBits(node.bits, bits, Math.min(node.length, length));
  if (equal < node.length) {
    // The edge is cut in two; what was there hangs below the cut.
    const rest = shiftOut(node.bits, equal);
    const head: Node = {
      bits: (node.bits & prefixMask(equal)) >>> 0,
      length: equal,
      rules: 0,
      zero: null,
      one: null,
    };
    node.bits = rest;
    node.length -= equal;
    setChild(head, rest, node);
    node = head;
  }
  if (equal === length) {
    node.rules++;
    return node;
  }
  const rest = shiftOut(bits, equal);
  const child = (rest | 0) < 0 ? node.one : node.zero;
  setChild(
    node,
    rest,
    child === null ? leaf(rest, length - equal) : insertInto(child, rest, length - equal),
  );
  return node;
}

/** @returns what stands in the node's place afterwards. */
function removeFrom(node: Node, bits: number, length: number): Node | null {
  if (length === node.length) {
    node.rules--;
  } else {
    const rest = shiftOut(bits, node.length);
    const child = ((rest | 0) < 0 ? node.one : node.zero)!;
    setChild(node, rest, removeFrom(child, rest, length - node.length));
  }
  if (node.rules > 0 || (node.zero !== null && node.one !== null)) return node;
  const only = node.zero ?? node.one;
  if (only === null) return null;
  only.bits = (node.bits | (node.length === 32 ? 0 : only.bits >>> node.length)) >>> 0;
  only.length += node.length;
  return only;
}

function setChild(node: Node, bits: number, child: Node | null): void {
  if ((bits | 0) < 0) node.one = child;
  else node.zero = child;
}
