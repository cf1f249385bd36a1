// A switch written as the textbook says it: for each frame anew, flows in a list, actions executed
// one after the other on the key, nothing cached, nothing lazy. The oracle of the property tests.
// It shares with the real one only the field registry.
import { fieldOf, getBits, getField, setBits } from "../../src/flow/fields.js";
import { NW_FRAG_ANY, VLAN_PRESENT, WORD } from "../../src/flow/key.js";
import { prerequisiteHolds } from "../../src/flow/match.js";
import { OFPP, type Action, type Flow } from "../../src/flow/types.js";
import { NaiveClassifier } from "../../src/classifier/naive.js";

export interface NaiveOutput {
  readonly port: number;
  /** The key of the frame as it left. */
  readonly key: Uint32Array;
}

const VLAN_FIELDS = ["vlan_tci", "dl_vlan", "vlan_vid", "dl_vlan_pcp", "vlan_pcp"];

export class NaiveSwitch {
  private readonly tables = new Map<number, NaiveClassifier<Flow>>();
  private readonly ports: readonly number[];
  private key = new Uint32Array(0);
  private outputs: NaiveOutput[] = [];

  constructor(flows: readonly Flow[], ports: readonly number[]) {
    this.ports = ports;
    for (const flow of flows) {
      const table = this.tables.get(flow.table) ?? new NaiveClassifier<Flow>();
      table.insert(flow);
      this.tables.set(flow.table, table);
    }
  }

  receive(key: Uint32Array): NaiveOutput[] {
    this.key = key.slice();
    this.outputs = [];
    this.table(0, key[WORD.inPort]!);
    return this.outputs;
  }

  private table(number: number, inPort: number): void {
    const own = this.key[WORD.inPort]!;
    const ports = this.key[WORD.ports]!;
    this.key[WORD.inPort] = inPort;
    // Not even the first fragment of a packet has ports in a table.
    const type = this.key[WORD.typeVlan]! >>> 16;
    const isIp = type === 0x0800 || type === 0x86dd;
    if (isIp && (this.key[WORD.ip]! & NW_FRAG_ANY) !== 0) this.key[WORD.ports] = 0;
    const flow = this.tables.get(number)?.lookup(this.key);
    this.key[WORD.inPort] = own;
    this.key[WORD.ports] = ports;
    for (const action of flow?.actions ?? []) if (!this.perform(action, number)) return;
  }

  /** False ends the list. */
  private perform(action: Action, table: number): boolean {
    const own = this.key[WORD.inPort]!;
    switch (action.type) {
      case "output":
        if (action.port === OFPP.inPort) this.output(own);
        else if (action.port === OFPP.all) {
          for (const port of this.ports) if (port !== own) this.output(port);
        } else if (action.port !== own) this.output(action.port);
        return true;
      case "resubmit":
        this.table(action.table ?? table, action.port ?? own);
        return true;
      case "goto-table":
        this.table(action.table, own);
        return true;
      case "set-field":
        this.set(action);
        return true;
      case "move":
        this.move(action);
        return true;
      case "push-vlan":
        this.key[WORD.innerVlan] = this.tag();
        this.setTag(((action.ethertype << 16) | VLAN_PRESENT) >>> 0);
        return true;
      case "pop-vlan":
        this.setTag(this.key[WORD.innerVlan]!);
        this.key[WORD.innerVlan] = 0;
        return true;
      case "dec-ttl": {
        if (!this.has("ip")) return true;
        const ttl = getField(this.key, fieldOf("nw_ttl"));
        if (ttl <= 1) return false;
        const { start } = fieldOf("nw_ttl");
        setBits(this.key, start, 8, ttl - 1);
        return true;
      }
      default:
        return true;
    }
  }

  private output(port: number): void {
    if (!this.ports.includes(port)) return;
    this.outputs.push({ port, key: this.key.slice() });
  }

  private has(prerequisite: Parameters<typeof prerequisiteHolds>[1]): boolean {
    const exact = new Uint32Array(this.key.length).fill(0xffffffff);
    return prerequisiteHolds({ value: this.key, mask: exact }, prerequisite);
  }

  private tag(): number {
    const tci = this.key[WORD.typeVlan]! & 0xffff;
    return tci === 0 ? 0 : (this.key[WORD.outerTpid]! | tci) >>> 0;
  }

  private setTag(tag: number): void {
    this.key[WORD.typeVlan] = (this.key[WORD.typeVlan]! & 0xffff0000) | (tag & 0xffff);
    this.key[WORD.outerTpid] = tag & 0xffff0000;
  }

  private set(action: Extract<Action, { type: "set-field" }>): void {
    const field = fieldOf(action.field);
    if (!this.has(field.prerequisite)) return;
    const isVlan = VLAN_FIELDS.includes(field.id);
    if (isVlan && this.tag() === 0) this.setTag(0x81001000);
    for (let bit = 0; bit < field.stored; bit++) {
      const at = field.words * 32 - 1 - bit;
      if (getBits(action.mask, at, 1) === 0) continue;
      setBits(this.key, field.start + field.stored - 1 - bit, 1, getBits(action.value, at, 1));
    }
    if (isVlan) this.key[WORD.typeVlan]! |= VLAN_PRESENT;
  }

  private move({ source, target }: Extract<Action, { type: "move" }>): void {
    const from = fieldOf(source.field);
    const to = fieldOf(target.field);
    if (!this.has(from.prerequisite) || !this.has(to.prerequisite)) return;
    const before = this.key.slice();
    for (let bit = 0; bit < source.width; bit++) {
      const value = getBits(before, from.start + from.stored - 1 - source.offset - bit, 1);
      setBits(this.key, to.start + to.stored - 1 - target.offset - bit, 1, value);
    }
  }
}
