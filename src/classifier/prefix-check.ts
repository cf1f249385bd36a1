// One prefix field of a classifier during one lookup: the trie is asked at most once, when the
// first subtable wants to know (Open vSwitch, lib/classifier.c: check_tries). Called by
// classifier.ts and subtable.ts only, in their thread.
import { PrefixTrie, prefixMask } from "./prefix-trie.js";
import type { PrefixField } from "./types.js";

/** Every prefix length: for keys that the trie says nothing about. */
const ALL_LENGTHS = 0xffffffff | 0;

export class PrefixCheck {
  private readonly trie = new PrefixTrie();
  private readonly field: PrefixField;
  private asked = false;
  private bits = 0;
  private lengths = 0;

  constructor(field: PrefixField) {
    this.field = field;
  }

  /** A rule's value comes in. @param length 1 to 32. */
  insert(value: Uint32Array, length: number): void {
    this.trie.insert(value[this.field.word]!, length);
  }

  /** A value that was inserted goes. */
  remove(value: Uint32Array, length: number): void {
    this.trie.remove(value[this.field.word]!, length);
  }

  /** A new lookup begins. */
  begin(): void {
    this.asked = false;
  }

  /**
   * Whether no rule with a prefix of this length can match the key. If so, the bits that show it
   * are un-wildcarded; never more than the subtable would have by looking.
   * @param length 1 to 32.
   */
  rulesOut(length: number, key: Uint32Array, wildcards: Uint32Array): boolean {
    const { word } = this.field;
    if (!this.asked) {
      this.asked = true;
      const applies = this.field.appliesTo(key);
      this.bits = applies ? this.trie.lookup(key[word]!) : 0;
      this.lengths = applies ? this.trie.lengths : ALL_LENGTHS;
    }
    if ((this.lengths & (1 << (length - 1))) !== 0) return false;
    const looked = prefixMask(this.bits);
    // The trie holds the prefixes of all subtables, and may need more bits than this one has.
    if (this.bits <= length) wildcards[word]! |= looked;
    return (wildcards[word]! & looked) >>> 0 === looked;
  }
}
