// dpctl/normalize-actions: datapath actions, sorted by the tags that a packet has when each is
// done, so that lists which do the same in another order print the same (lib/dpctl.c
// dpctl_normalize_actions of Open vSwitch 3.1). Needs no switch. Any thread.
import { VLAN_PRESENT, WORD } from "../../../flow/key.js";
import { parseOdpFlow } from "../../../ofctl/odp/parse-odp-flow.js";
import { FlowTextError } from "../../../ofctl/text/scan.js";
import { type Call, type Verb, VerbError } from "../call.js";

/** A tag as TPID << 16 | TCI. */
type Tags = readonly number[];

interface Group {
  readonly tags: Tags;
  readonly actions: string[];
}

/** Actions as a list: commas within parentheses divide nothing. */
function splitActions(text: string): string[] {
  const actions: string[] = [];
  let depth = 0;
  let current = "";
  for (const letter of text) {
    if (letter === "(") depth++;
    if (letter === ")") depth--;
    if (depth === 0 && /[,\s]/.test(letter)) {
      if (current !== "") actions.push(current);
      current = "";
    } else current += letter;
  }
  if (current !== "") actions.push(current);
  return actions.filter((action) => action !== "drop");
}

function tagsOf(key: Uint32Array): Tags {
  const outer = ((key[WORD.outerTpid]! & 0xffff0000) | (key[WORD.typeVlan]! & 0xffff)) >>> 0;
  return [outer, key[WORD.innerVlan]!].filter((tag) => (tag & VLAN_PRESENT) !== 0);
}

function pushed(action: string): number {
  const number = (name: string, missing: number): number =>
    Number(new RegExp(`${name}=(\\w+)`).exec(action)?.[1] ?? missing);
  const tci = (number("pcp", 0) << 13) | VLAN_PRESENT | number("vid", 0);
  return ((number("tpid", 0x8100) << 16) | tci) >>> 0;
}

/** A number of a port, something with arguments, or one of the words that need none. */
function isAction(text: string): boolean {
  return /^([0-9]+|ct|ct_clear|pop_eth|pop_nsh|[a-z_0-9]+\(.*\))$/.test(text);
}

/** Outputs next to each other, by number. */
function sortOutputs(actions: readonly string[]): string[] {
  const sorted: string[] = [];
  let outputs: number[] = [];
  const flush = (): void => {
    sorted.push(...outputs.sort((a, b) => a - b).map(String));
    outputs = [];
  };
  for (const action of actions) {
    if (/^[0-9]+$/.test(action)) outputs.push(Number(action));
    else {
      flush();
      sorted.push(action);
    }
  }
  flush();
  return sorted;
}

function heading(tags: Tags): string {
  if (tags.length === 0) return "no vlan: no mpls: ";
  const texts = tags.map((tag) => {
    const type = tag >>> 16;
    // The other type is printed in the byte order of the network, read the wrong way round.
    const swapped = ((type & 0xff) << 8) | (type >>> 8);
    const tpid = type === 0x8100 ? "" : `tpid=0x${swapped.toString(16).padStart(4, "0")},`;
    return `vlan(${tpid}vid=${tag & 0xfff},pcp=${(tag >>> 13) & 7}): `;
  });
  return `${texts.join("")}no mpls: `;
}

function compare(a: Tags, b: Tags): number {
  const [x, y] = [a[0] ?? 0, b[0] ?? 0];
  return x - y || (a[1] ?? 0) - (b[1] ?? 0);
}

function normalize(call: Call): void {
  const [flow, actions, ...names] = call.args as [string, string, ...string[]];
  const ports = new Map<string, number>();
  for (const text of names) {
    const found = /^([^=]{1,15})=(\d+)/.exec(text);
    if (found === null) throw new VerbError(`${text}: expected NAME=NUMBER`);
    ports.set(found[1]!, Number(found[2]));
  }
  let tags: Tags;
  try {
    tags = tagsOf(parseOdpFlow(flow, ports).key);
  } catch (error) {
    if (!(error instanceof FlowTextError)) throw error;
    throw new VerbError(`odp_flow_key_from_string (${error.message}) (Invalid argument)`);
  }
  const shown = flow.replace(/in_port\(([^)]*)\)/, (_, port: string) => {
    return `in_port(${ports.get(port) ?? port})`;
  });
  call.out(`input flow: ${shown}\n`);
  const groups: Group[] = [];
  for (const action of splitActions(actions)) {
    const known = ports.get(action);
    if (action === "pop_vlan") tags = tags.slice(1);
    else if (action.startsWith("push_vlan(")) tags = [pushed(action), ...tags];
    else if (known === undefined && !isAction(action)) {
      throw new VerbError("odp_actions_from_string (Invalid argument)");
    } else {
      const group = groups.find((each) => compare(each.tags, tags) === 0);
      const text = String(known ?? action);
      if (group === undefined) groups.push({ tags, actions: [text] });
      else group.actions.push(text);
    }
  }
  if (groups.length === 0) groups.push({ tags, actions: ["drop"] });
  groups.sort((a, b) => compare(a.tags, b.tags));
  call.out(groups.map((each) => heading(each.tags) + sortOutputs(each.actions).join()).join(""));
}

export const NORMALIZE: Verb = {
  name: "normalize-actions",
  min: 2,
  max: Infinity,
  usage: "flow actions [name=number...]",
  local: true,
  run: normalize,
};
