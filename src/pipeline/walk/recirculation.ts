// Where packets that are sent round again go on: what the translation had in hand when it sent them
// (Open vSwitch: frozen_state, ofproto-dpif-rid.c, 3.1). A packet carries only an id. The same
// state gets the same id, so a translation that is repeated makes the same actions. One table per
// worker, because a packet goes round on the worker that has it; nothing here is shared.
import { WORD } from "../../flow/key.js";
import type { Action } from "../../flow/types.js";
import type { StackItem } from "../context.js";
import type { Pipeline } from "../translate.js";

/** The rest of an action list. */
export interface FrozenList {
  readonly actions: readonly Action[];
  readonly next: number;
  readonly table: number;
  readonly cookie: bigint | null;
  /** Whether it is the list of a bucket. */
  readonly inBucket: boolean;
}

export interface FrozenState {
  /** Of the bridge where it goes on. */
  readonly pipeline: Pipeline;
  /** Looked up if `lists` is empty. */
  readonly table: number;
  /** What is left to do, innermost first. */
  readonly lists: readonly FrozenList[];
  readonly stack: readonly StackItem[];
  readonly actionSet: readonly Action[];
  /** As of `frozenMetadata`. */
  readonly metadata: Uint32Array;
  readonly conntracked: boolean;
  readonly mirrors: number;
}

/** More states than this at a time are not a switch that somebody configured. */
const STATES_MAX = 65_536;

/** in_port, and the words of registers, metadata and tun_id. */
const FIRST = WORD.reg0;
const END = WORD.pktMark;

/** The metadata of a key that the datapath does not keep with the packet. */
export function frozenMetadata(flow: Uint32Array): Uint32Array {
  const metadata = new Uint32Array(1 + END - FIRST);
  metadata[0] = flow[WORD.inPort]!;
  metadata.set(flow.subarray(FIRST, END), 1);
  return metadata;
}

export function restoreMetadata(flow: Uint32Array, metadata: Uint32Array): void {
  flow[WORD.inPort] = metadata[0]!;
  flow.set(metadata.subarray(1), FIRST);
}

/** The key of a packet that came under `key`, with the metadata that it had when it was frozen. */
export function keyThen(key: Uint32Array, state: FrozenState): Uint32Array {
  const then = key.slice();
  restoreMetadata(then, state.metadata);
  if (!state.conntracked) {
    then.fill(0, WORD.ctState, WORD.ctLabel + 4);
    then.fill(0, WORD.ctNwProto, WORD.ctIpv6Dst + 4);
  }
  return then;
}

export class Recirculations {
  private readonly states = new Map<number, FrozenState>();
  private readonly ids = new Map<string, number>();
  private readonly names = new WeakMap<object, number>();
  private lastId = 0;
  private lastName = 0;

  get size(): number {
    return this.states.size;
  }

  /** The id of a state, from 1; 0 when there is no room for another. */
  freeze(state: FrozenState): number {
    const text = this.textOf(state);
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    if (this.states.size >= STATES_MAX) return 0;
    const id = ++this.lastId;
    this.states.set(id, state);
    this.ids.set(text, id);
    return id;
  }

  /** The last id given; for `forgetSince`. */
  get mark(): number {
    return this.lastId;
  }

  /** Forgets states that were frozen after a mark: those of a trace, which nobody comes back to. */
  forgetSince(mark: number): void {
    for (const [text, id] of this.ids) {
      if (id <= mark) continue;
      this.ids.delete(text);
      this.states.delete(id);
    }
  }

  thaw(id: number): FrozenState | null {
    return this.states.get(id) ?? null;
  }

  /** Forgets all states that no megaflow refers to. Between bursts: no packet is under way. */
  retain(used: ReadonlySet<number>): void {
    for (const [text, id] of this.ids) {
      if (used.has(id)) continue;
      this.ids.delete(text);
      this.states.delete(id);
    }
  }

  /** Equal for equal states. Action lists are the same if they are the same object. */
  private textOf(state: FrozenState): string {
    const lists = state.lists.map((list) => {
      const flags = list.inBucket ? "b" : "";
      return `${this.nameOf(list.actions)}.${list.next}.${list.table}.${list.cookie}${flags}`;
    });
    return [
      this.nameOf(state.pipeline),
      state.table,
      lists.join(","),
      state.stack.map(({ value, bits }) => `${bits}:${value.join(".")}`).join(","),
      state.actionSet.map((action) => this.nameOf(action)).join(","),
      state.metadata.join("."),
      state.conntracked,
      state.mirrors,
    ].join("|");
  }

  private nameOf(object: object): number {
    let name = this.names.get(object);
    if (name === undefined) this.names.set(object, (name = ++this.lastName));
    return name;
  }
}
