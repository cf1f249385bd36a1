// The verbs of ovs-ofctl that change flow tables: add-flow, mod-flows, del-flows, replace-flows and
// their kin. Main thread.
import type { Flow } from "../../../flow/types.js";
import type { FlowCommand, FlowMod } from "../../../ofctl/flow-mods.js";
import { formatPriorityAndMatch } from "../../../ofctl/format.js";
import type { FormatOptions } from "../../../ofctl/print/format-value.js";
import { formatActions } from "../../../ofctl/print/format-actions.js";
import type { FlowChange } from "../../../pipeline/flow-tables.js";
import { changeOf } from "../../mods/flow-mods.js";
import { type Call, type Verb, VerbError } from "../call.js";
import { has } from "../options.js";
import { bridgeOf, namesOf, namesShown } from "./bridge.js";
import { type FlowTexts, readFlow, readFlows, sendMods } from "./flow-texts.js";
import { versionFor } from "./formats.js";

/** add-flow, mod-flows and del-flows: one text, or `-` for standard input. */
async function flowMod(call: Call, command: FlowCommand): Promise<void> {
  const bridge = bridgeOf(call);
  const ports = namesOf(call, bridge);
  const text = call.args[1] ?? "";
  const isStrict = has(call.options, "strict") && command !== "add";
  const wanted = isStrict ? (`${command}_strict` as FlowCommand) : command;
  const texts =
    text === "-" ? await readFlows(call, "-", ports, wanted) : readFlow(text, wanted, ports);
  await sendMods(call, bridge, texts);
}

async function addFlows(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  await sendMods(call, bridge, await readFlows(call, call.args[1]!, namesOf(call, bridge)));
}

/** What tells one flow of a table from another. */
function identity(flow: Flow): string {
  return `${flow.table} ${flow.priority} ${flow.match.value.join()} ${flow.match.mask.join()}`;
}

/** What replace-flows and diff-flows compare beside that. */
function contents(flow: Flow): string {
  const { cookie, idleTimeout, hardTimeout, importance } = flow;
  const actions = formatActions(flow.actions, { version: 15 }, flow.match);
  return `${cookie} ${idleTimeout} ${hardTimeout} ${importance} ${actions}`;
}

/** The flows that a file adds, one for each match and priority; the last counts. */
function flowsOf(call: Call, texts: FlowTexts): Map<string, Flow> {
  const version = versionFor(call, texts.formats);
  const flows = texts.mods.map((mod: FlowMod) => {
    const change = changeOf(mod, version);
    if (change.type === "add") return change.flow;
    throw new VerbError("only flows to add can stand in this file");
  });
  return new Map(flows.map((flow) => [identity(flow), flow]));
}

/** In OpenFlow 1.0, Open vSwitch refuses a file that names tables; nothing speaks against it. */
async function replaceFlows(call: Call): Promise<void> {
  const bridge = bridgeOf(call);
  const texts = await readFlows(call, call.args[1]!, namesOf(call, bridge), "add");
  const wanted = flowsOf(call, texts);
  const changes: FlowChange[] = [];
  const present = new Map(bridge.tables.entries().map(({ flow }) => [identity(flow), flow]));
  for (const [id, { table, match, priority }] of present) {
    if (wanted.has(id)) continue;
    changes.push({ type: "delete", selector: { table, match, priority, strict: true } });
  }
  for (const [id, flow] of wanted) {
    const old = present.get(id);
    const isSame = old !== undefined && contents(old) === contents(flow);
    if (!isSame || has(call.options, "readd")) changes.push({ type: "add", flow });
  }
  if (changes.length > 0) await bridge.apply(changes);
}

/** The flows of a switch, or of a file: whichever the name is. */
async function flowsFrom(call: Call, name: string): Promise<Map<string, Flow>> {
  const bridge = call.control.bridges().find((one) => one.name === name);
  if (bridge === undefined) return flowsOf(call, await readFlows(call, name, new Map(), "add"));
  return new Map(bridge.tables.entries().map(({ flow }) => [identity(flow), flow]));
}

function differenceLine(sign: string, flow: Flow, names: FormatOptions): string {
  const table = flow.table === 0 ? "" : `table=${flow.table} `;
  const parts = [
    flow.cookie === 0n ? "" : `cookie=0x${flow.cookie.toString(16)}`,
    flow.idleTimeout === 0 ? "" : `idle_timeout=${flow.idleTimeout}`,
    flow.hardTimeout === 0 ? "" : `hard_timeout=${flow.hardTimeout}`,
    flow.importance === 0 ? "" : `importance=${flow.importance}`,
    `actions=${formatActions(flow.actions, { version: 15, ...names }, flow.match)}`,
  ];
  const rule = formatPriorityAndMatch(flow.priority, flow.match, names);
  return `${sign}${table}${[rule, ...parts.filter((part) => part !== "")].join(" ")}\n`;
}

/** Names of the ports of the switch that is compared. */
function portNamesShown(call: Call): FormatOptions {
  const bridge = call.control.bridges().findLast(({ name }) => call.args.includes(name));
  const portNames = bridge === undefined ? undefined : namesShown(call, bridge).portNames;
  return portNames === undefined ? {} : { portNames };
}

async function diffFlows(call: Call): Promise<void> {
  const a = await flowsFrom(call, call.args[0]!);
  const b = await flowsFrom(call, call.args[1]!);
  const names = portNamesShown(call);
  const both = [...new Map([...a, ...b])].sort(([, x], [, y]) => x.table - y.table);
  for (const [id] of both) {
    const [old, fresh] = [a.get(id), b.get(id)];
    if (old !== undefined && fresh !== undefined && contents(old) === contents(fresh)) continue;
    if (old !== undefined) call.out(differenceLine("-", old, names));
    if (fresh !== undefined) call.out(differenceLine("+", fresh, names));
    call.exitCode = 2;
  }
}

export const FLOW_VERBS: readonly Verb[] = [
  {
    name: "add-flow",
    min: 2,
    max: 2,
    usage: "SWITCH FLOW",
    run: (call) => flowMod(call, "add"),
  },
  { name: "add-flows", min: 2, max: 2, usage: "SWITCH FILE", run: addFlows },
  {
    name: "mod-flows",
    min: 2,
    max: 2,
    usage: "SWITCH FLOW",
    run: (call) => flowMod(call, "modify"),
  },
  {
    name: "del-flows",
    min: 1,
    max: 2,
    usage: "SWITCH [FLOW]",
    run: (call) => flowMod(call, "delete"),
  },
  { name: "replace-flows", min: 2, max: 2, usage: "SWITCH FILE", run: replaceFlows },
  { name: "diff-flows", min: 2, max: 2, usage: "SOURCE1 SOURCE2", run: diffFlows },
];
