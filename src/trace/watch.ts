// Watches one translation and makes a tree of what it hears (Open vSwitch 3.1: xlate_report and
// its kin in ofproto-dpif-xlate.c). On the thread of the translation.
import { fieldFullMask, fieldOf, getFieldWords } from "../flow/fields.js";
import type { Action, Flow, SubField } from "../flow/types.js";
import { printActions } from "../ofctl/print/format-actions.js";
import { formatMatch } from "../ofctl/print/format-match.js";
import { formatValue, hex, type FormatOptions } from "../ofctl/print/format-value.js";
import { numberOf } from "../ofctl/text/scan.js";
import { formatSubField } from "../ofctl/text/subfield.js";
import type { Context } from "../pipeline/context.js";
import type { FlowEntry } from "../pipeline/flow-tables.js";
import type { Fate } from "../pipeline/tables/own-records.js";
import { IMPLICIT_MISS } from "../pipeline/walk/perform.js";
import type { Observer, Recirculation, TranslationError } from "../pipeline/observer.js";
import type { FrozenList } from "../pipeline/walk/recirculation.js";
import { frozenText, ownerText, restoredText, saysOwner } from "./frozen-text.js";
import type { TraceNode, TraceNodeType } from "./nodes.js";

/** What is said of packets that meet no flow (xlate_report_table). */
const FATE_TEXTS: Readonly<Record<Fate, string>> = {
  "packet-in": 'No match, and a "packet-in" is called for.',
  miss: "No match.",
  fragment: 'Packets are IP fragments and the fragment handling mode is "drop".',
};

/**
 * The same in a bridge behind a patch cable, whose own flows for this purpose Open vSwitch prints
 * like any other (add_internal_flows; it compares them with those of the bridge that is traced).
 */
const PEER_FATE_TEXTS: Readonly<Record<Fate, string>> = {
  "packet-in": "reg0=0x1, priority 0",
  miss: "reg0=0x2, priority 0",
  fragment: "reg0=0x3, priority 0",
};

export class Watch implements Observer {
  readonly roots: TraceNode[] = [];
  readonly recirculations: Recirculation[] = [];
  /** Copies, made when the translation is over. */
  finalFlow: Uint32Array = new Uint32Array(0);
  wildcards: Uint32Array = new Uint32Array(0);
  failure: TranslationError | null = null;
  /** Of the frozen actions that were told last. */
  private lastOwner = "";
  private readonly open: TraceNode[][] = [];
  /** Levels on which a pipeline begins: those of bridges. */
  private readonly pipelines = new Set<TraceNode[]>();
  /** The bridge of each level that is open. */
  private readonly bridges: string[] = [];
  private readonly names: ReadonlyMap<string, ReadonlyMap<number, string>>;
  private readonly showsNames: boolean;

  /**
   * @param names of the ports of each bridge.
   * @param showsNames matches and actions show ports by name.
   */
  constructor(
    bridge: string,
    names: ReadonlyMap<string, ReadonlyMap<number, string>>,
    showsNames: boolean,
  ) {
    this.names = names;
    this.showsNames = showsNames;
    const root: TraceNode = { type: "bridge", text: `bridge("${bridge}")`, nodes: [] };
    this.roots.push(root);
    this.open.push(root.nodes);
    this.pipelines.add(root.nodes);
    this.bridges.push(bridge);
  }

  bridge(name: string): void {
    this.enter({ type: "bridge", text: `bridge("${name}")` });
    this.pipelines.add(this.level());
    this.bridges[this.bridges.length - 1] = name;
  }

  table(table: number, entry: FlowEntry | null, fate: Fate | null): void {
    const head = `${String(table).padStart(2)}. `;
    if (entry === null) {
      const isPeer = this.bridges[this.bridges.length - 1] !== this.bridges[0];
      const texts = isPeer ? PEER_FATE_TEXTS : FATE_TEXTS;
      return this.enter({ type: "table", text: head + texts[fate ?? "miss"], table });
    }
    const match = formatMatch(entry.match, this.options);
    const { priority } = entry;
    const { cookie } = entry.flow;
    const shown = cookie === 0n ? "" : `, cookie 0x${cookie.toString(16)}`;
    const text = `${head}${match === "" ? "" : `${match}, `}priority ${priority}${shown}`;
    this.enter({ type: "table", text, table, priority, cookie });
  }

  bucket(id: number): void {
    this.enter({ type: "bucket", text: `bucket ${id}` });
  }

  thaw(): void {
    this.enter({ type: "thaw", text: "thaw" });
  }

  leave(): void {
    this.open.pop();
    this.bridges.pop();
  }

  owner(action: Action, table: number, cookie: bigint | null): void {
    const text = ownerText(table, cookie);
    if (!saysOwner(action) || text === this.lastOwner) return;
    this.lastOwner = text;
    this.say("action", text);
    this.say("thaw", restoredText(table, cookie));
  }

  action(action: Action): void {
    // The reason has no name that ofctl text knows.
    const isMiss = action === IMPLICIT_MISS;
    const text = isMiss ? "controller(reason=)" : printActions([action], this.options);
    // More than 64 bits, or several runs of them, are as many loads.
    const parts = action.type === "set-field" ? text.split(/,(?=load:)/) : [text];
    for (const part of parts) this.say("action", part);
  }

  detail(text: string): void {
    this.say("detail", text);
  }

  warning(text: string): void {
    this.say("warning", text);
  }

  error(text: string): void {
    this.say("error", text);
  }

  actions(title: string, actions: readonly Action[]): void {
    this.say("detail", `${title}: ${printActions(actions, this.options)}`);
  }

  restoring(actionSet: readonly Action[], lists: readonly FrozenList[]): void {
    if (actionSet.length > 0) {
      this.say("thaw", `Restoring action set: ${printActions(actionSet, this.options)}`);
    }
    const text = frozenText(lists, this.options);
    if (text !== "") this.say("thaw", `Restoring actions: ${text}`);
  }

  learned(flow: Flow): void {
    const match = formatMatch(flow.match, this.options);
    const { table, priority, cookie, idleTimeout, hardTimeout, flags } = flow;
    const parts = [
      `table=${table}`,
      ...(match === "" ? [] : [match]),
      `priority=${priority}`,
      ...(cookie === 0n ? [] : [`cookie=0x${cookie.toString(16)}`]),
      ...(idleTimeout === 0 ? [] : [`idle=${idleTimeout}`]),
      ...(hardTimeout === 0 ? [] : [`hard=${hardTimeout}`]),
      ...(flags.includes("send_flow_rem") ? ["send_flow_rem"] : []),
    ];
    const actions = printActions(flow.actions, this.options);
    this.say("detail", `${parts.join(" ")} actions=${actions}`);
  }

  line(text: string): void {
    this.say("thaw", text);
  }

  actionSet(): void {
    const node: TraceNode = { type: "table", text: "--. Executing action set:", nodes: [] };
    // That of a whole pipeline belongs to the table that it began with, although its actions are
    // done; what goes on with frozen actions, or with a controller's, began with none.
    const level = this.level();
    const first = level.find(({ type }) => type !== "thaw");
    const isOver = this.pipelines.has(level) && first?.type === "table";
    (isOver ? first.nodes : level).push(node);
    this.open.push(node.nodes);
    this.bridges.push(this.bridges[this.bridges.length - 1]!);
  }

  subField(sub: SubField, ctx: Context): void {
    const field = fieldOf(sub.field);
    const words = new Uint32Array(field.words);
    getFieldWords(ctx.flow, field, words);
    const value = numberOf(words) & numberOf(fieldFullMask(field));
    const isWhole = sub.offset === 0 && sub.width >= field.bits;
    const part = (value >> BigInt(sub.offset)) & ((1n << BigInt(sub.width)) - 1n);
    const isHex = field.format === "hexadecimal" || !isWhole;
    const text = isHex ? hex(part) : formatValue(field, value, null, this.options);
    this.say("detail", `${formatSubField(sub)} is now ${text}`);
  }

  recirculation(copy: Recirculation): void {
    this.recirculations.push(copy);
  }

  portName(port: number): string {
    return this.portNames.get(port) ?? String(port);
  }

  end(ctx: Context, error: TranslationError | null): void {
    this.finalFlow = ctx.flow.slice();
    this.wildcards = ctx.wildcards.slice();
    this.failure = error;
  }

  private get portNames(): ReadonlyMap<number, string> {
    return this.names.get(this.bridges[this.bridges.length - 1]!) ?? new Map();
  }

  private get options(): FormatOptions {
    return this.showsNames ? { portNames: this.portNames } : {};
  }

  private enter(node: Omit<TraceNode, "nodes">): void {
    const opened: TraceNode = { ...node, nodes: [] };
    this.level().push(opened);
    this.open.push(opened.nodes);
    this.bridges.push(this.bridges[this.bridges.length - 1]!);
  }

  private say(type: TraceNodeType, text: string): void {
    this.level().push({ type, text, nodes: [] });
  }

  private level(): TraceNode[] {
    return this.open[this.open.length - 1]!;
  }
}
