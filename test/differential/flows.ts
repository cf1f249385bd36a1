// Random flow sets for comparisons, as ofctl text. Matches are cut from a few template packets, so
// that flows overlap and packets meet them; actions fit the protocol that the match names.
import type { Random } from "../../src/base/random.js";
import { fieldFullMask, fieldOf, getFieldWords, type FieldId } from "../../src/flow/fields.js";
import { NW_FRAG_LATER, WORD } from "../../src/flow/key.js";
import { fieldText } from "./field-text.js";
import { fieldsOf, normalized, randomPacket } from "./packets.js";
import { PORTS } from "./ovs.js";
import {
  TRACKED_TABLE,
  bucketActions,
  randomActions,
  trackedActions,
  type ActionContext,
  type Version,
} from "./actions.js";

export interface FlowSet {
  readonly version: Version;
  readonly flows: readonly string[];
  readonly groups: readonly string[];
  readonly packets: readonly Uint32Array[];
}

/** What all flows of a set share. */
type Base = Pick<ActionContext, "version" | "groups">;

/** Tables that random flows are in. */
const TABLES = [0, 0, 0, 1, 2, 3];

/** A mask that flows of real life have, on a field of any width. */
function randomMask(random: Random, id: FieldId): Uint32Array {
  const field = fieldOf(id);
  const full = fieldFullMask(field);
  // Of ct_state, only flags that there are.
  if (id === "ct_state") return Uint32Array.of(random.pick([0x20, 0x21, 0x22, 0x30, 0x3f, 0xff]));
  if (!field.maskable || id === "ip_frag" || random.below(2) === 0) return full;
  const isAddress = field.format === "ipv4" || field.format === "ipv6";
  if (isAddress && random.below(4) > 0)
    return prefixMask(field.words, 1 + random.below(field.bits));
  const mask = full.map((word) => (word & random.next()) >>> 0);
  // Of an IPv6 mask that begins with a digit, ovs-ofctl makes a prefix length.
  if (field.format === "ipv6") mask[0]! |= 0xf0000000;
  return mask;
}

function prefixMask(words: number, length: number): Uint32Array {
  return Uint32Array.from({ length: words }, (_, i) => {
    const bits = Math.max(0, Math.min(32, length - 32 * i));
    return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
  });
}

/** Fields that say which protocol a packet is; the others depend on them. */
const PROTOCOL: readonly FieldId[] = ["eth_type", "nw_proto"];
const NEEDS_TYPE = (id: FieldId): boolean =>
  !["none", "ethernet", "vlan"].includes(fieldOf(id).prerequisite);
const NEEDS_PROTOCOL = (id: FieldId): boolean =>
  !["none", "ethernet", "vlan", "ip", "ipv4", "ipv6", "arp"].includes(fieldOf(id).prerequisite);

/** Fields of a connection's first packet, which need one that is known. */
const isOfConnection = (id: FieldId): boolean => fieldOf(id).prerequisite === "ct";

/** Fields to match, with what they need. */
function chooseFields(random: Random, template: Uint32Array): FieldId[] {
  const all = fieldsOf(template).filter((id) => !PROTOCOL.includes(id));
  const isLater = (template[WORD.ip]! & NW_FRAG_LATER) !== 0;
  const count = random.pick([0, 1, 1, 2, 2, 3, 5]);
  const chosen = new Set(Array.from({ length: count }, () => random.pick(all)));
  const list = [...chosen].filter((id) => !(isLater && NEEDS_PROTOCOL(id)));
  const type = list.some(NEEDS_TYPE) || random.below(3) > 0 ? ["eth_type" as const] : [];
  const isIp = [0x0800, 0x86dd].includes(template[WORD.typeVlan]! >>> 16);
  const wantsProtocol = list.some(NEEDS_PROTOCOL) || random.below(3) === 0;
  const protocol = type.length > 0 && isIp && wantsProtocol ? ["nw_proto" as const] : [];
  const nd = list.filter((id) => id.startsWith("nd_"));
  const icmp = nd.length > 0 ? ["icmpv6_type" as const, "icmpv6_code" as const] : [];
  const tracked = list.some(isOfConnection) ? ["ct_state" as const] : [];
  return [...new Set([...type, ...protocol, ...icmp, ...tracked, ...list])];
}

function matchText(
  random: Random,
  { version }: Base,
  template: Uint32Array,
  fields: readonly FieldId[],
): string {
  const isTracked = fields.some(isOfConnection);
  return fields
    .flatMap((id) => {
      const field = fieldOf(id);
      const value = new Uint32Array(field.words);
      getFieldWords(template, field, value);
      // OXM has no words for most masks of a TCI.
      const isWhole = id === "vlan_tci" && version !== 10;
      const isState = isTracked && id === "ct_state";
      const isNeeded = PROTOCOL.includes(id) || id.startsWith("icmpv6") || isWhole || isState;
      const full = fieldFullMask(field);
      const mask = isNeeded ? full : randomMask(random, id);
      // nw_tos is the whole byte, of which DSCP is its own.
      full.forEach((bits, i) => (value[i]! &= bits));
      if (mask.every((word) => word === 0)) return [];
      return [fieldText(id, value, mask.every((word, i) => word === full[i]) ? null : mask)];
    })
    .join(",");
}

/** What the match says about the packets that the actions will see. */
function contextOf(
  base: Base,
  table: number,
  template: Uint32Array,
  fields: readonly FieldId[],
): ActionContext {
  return {
    ...base,
    table,
    type: fields.includes("eth_type") ? template[WORD.typeVlan]! >>> 16 : 0,
    protocol: fields.includes("nw_proto") ? template[WORD.ip]! >>> 24 : -1,
    isLater: (template[WORD.ip]! & NW_FRAG_LATER) !== 0,
    icmpType: fields.includes("icmpv6_type") ? template[WORD.ports]! >>> 16 : -1,
    isTracked: fields.some(isOfConnection),
    hasTag: fields.includes("vlan_tci") && (template[WORD.typeVlan]! & 0x1000) !== 0,
  };
}

function randomFlow(random: Random, base: Base, template: Uint32Array, priority: number): string {
  const table = random.pick(TABLES);
  const fields = chooseFields(random, template);
  const match = matchText(random, base, template, fields);
  const actions = randomActions(random, contextOf(base, table, template, fields));
  const head = `table=${table},priority=${priority}${match === "" ? "" : `,${match}`}`;
  return `${head} actions=${actions}`;
}

/** A flow for packets that come back from the connection tracker. */
function trackedFlow(random: Random, base: Base, template: Uint32Array, priority: number): string {
  const match = matchText(random, base, template, chooseFields(random, template));
  const state = random.pick(["ct_state=+trk+new", "ct_state=+trk", "ct_zone=5", "ct_mark=0"]);
  const head = `table=${TRACKED_TABLE},priority=${priority},${state}`;
  const rest = match === "" || match.includes("ct_") ? "" : `,${match}`;
  return `${head}${rest} actions=${trackedActions(random)}`;
}

/** The clauses of one conjunction, at one priority, and sometimes the flow of its id. */
function conjunction(
  random: Random,
  base: Base,
  templates: readonly Uint32Array[],
  ids: { readonly id: number; readonly priority: number; readonly below: number },
): string[] {
  const clauses = 2 + random.below(4);
  const table = random.pick([0, 0, 1]);
  const flows: string[] = [];
  const seen = new Set<string>();
  for (let clause = 1; clause <= clauses; clause++) {
    for (let n = 1 + random.below(2); n > 0; n--) {
      const template = random.pick(templates);
      const match = matchText(random, base, template, chooseFields(random, template));
      if (match === "" || seen.has(match)) continue;
      seen.add(match);
      // Sometimes a clause of another conjunction too, one that is never whole.
      const other = random.below(4) === 0 ? `,conjunction(77,${1 + random.below(2)}/3)` : "";
      const action = `conjunction(${ids.id},${clause}/${clauses})${other}`;
      flows.push(`table=${table},priority=${ids.priority},${match} actions=${action}`);
      // The same match, less priority: what the classifier falls back to.
      if (random.below(4) === 0) {
        const port = 1 + random.below(PORTS);
        flows.push(`table=${table},priority=${ids.below - flows.length},${match} actions=${port}`);
      }
    }
  }
  const actions = randomActions(random, contextOf(base, table, templates[0]!, []));
  const priority = random.pick([ids.priority, ids.below - 20]);
  flows.push(`table=${table},priority=${priority},conj_id=${ids.id} actions=${actions}`);
  return flows;
}

/** A packet close to a template: a field or two are another packet's. */
function neighbor(random: Random, template: Uint32Array): Uint32Array {
  for (let tries = 0; tries < 4; tries++) {
    const other = randomPacket(random);
    if (other[WORD.typeVlan]! >>> 16 !== template[WORD.typeVlan]! >>> 16) continue;
    if (other[WORD.ip]! >>> 24 !== template[WORD.ip]! >>> 24) continue;
    const mixed = template.slice();
    for (let n = 1 + random.below(3); n > 0; n--) {
      const word = random.below(mixed.length);
      if (word !== WORD.ip && word !== WORD.outerTpid) mixed[word] = other[word]!;
    }
    return mixed;
  }
  return randomPacket(random);
}

/** A group of random type, as text. Select groups choose by a hash, which is not compared. */
function randomGroup(random: Random, id: number): string {
  const type = random.pick(["all", "indirect", "ff"]);
  const count = type === "indirect" ? 1 : 1 + random.below(3);
  const buckets = Array.from({ length: count }, () => {
    const watch = type === "ff" ? `watch_port:${random.pick([1, 2, 5, 9])},` : "";
    // A group may send to one before it.
    const chained = id > 1 && random.below(3) === 0 ? ",group:1" : "";
    return `bucket=${watch}actions=${bucketActions(random)}${chained}`;
  });
  return `group_id=${id},type=${type},${buckets.join(",")}`;
}

/** @param packets how many packets are traced through the set. */
export function randomFlowSet(random: Random, packets: number): FlowSet {
  const templates = Array.from({ length: 4 }, () => randomPacket(random));
  const version = random.pick([10, 10, 10, 15, 15, 11, 12, 13, 14] as const);
  const base = { version, groups: version !== 10 ? random.pick([0, 2]) : 0 };
  const flows: string[] = [];
  const count = 6 + random.below(20);
  // Every flow has its own priority: of equal ones it is undefined which is met.
  for (let i = 0; i < count; i++) {
    const priority = 1000 + 100 * random.below(90) + i;
    flows.push(randomFlow(random, base, random.pick(templates), priority));
  }
  if (random.below(3) === 0) {
    for (let id = 1; id <= 1 + random.below(2); id++) {
      const priority = 20_000 - 200 * id;
      flows.push(...conjunction(random, base, templates, { id, priority, below: priority - 40 }));
    }
  }
  for (let i = 0; i < 3; i++) {
    flows.push(trackedFlow(random, base, random.pick(templates), 100 * random.below(9) + i));
  }
  return {
    version,
    flows,
    groups: Array.from({ length: base.groups }, (_, i) => randomGroup(random, i + 1)),
    packets: Array.from({ length: packets }, () =>
      random.below(4) === 0
        ? randomPacket(random)
        : normalized(neighbor(random, random.pick(templates))),
    ),
  };
}
