// ovs-ofctl check-vlan: what becomes of a match on a VLAN in each way to say it (ofctl_check_vlan
// in utilities/ovs-ofctl.c, lib/ofp-match.c and lib/nx-match.c of Open vSwitch 3.1). Any thread.
import { newKey, VLAN_PRESENT, WORD } from "../../../../flow/key.js";
import { parseFlowMod } from "../../../../ofctl/parse.js";
import { formatMatch } from "../../../../ofctl/print/format-match.js";
import type { Call, Verb } from "../../call.js";

/** 16 bits: priority, whether there is a tag, VLAN. */
interface Tci {
  readonly value: number;
  readonly mask: number;
}

const VID = 0x0fff;
const PCP = 0xe000;
const TAGGED_VID = VLAN_PRESENT | VID;
/** What the older versions say for frames without a tag, and for any tag. */
const VLAN_NONE = 0xffff;
const VLAN_ANY = 0xfffe;
const NO_TAG: Tci = { value: 0, mask: 0xffff };

const hex = (value: number, digits = 4): string => value.toString(16).padStart(digits, "0");
const both = ({ value, mask }: Tci): string => `${hex(value)}/${hex(mask)}`;
const priorityOf = (tci: number): number => tci >>> 13;

/** As text, and read again. */
function throughText(tci: Tci): string {
  const [value, mask] = [newKey(), newKey()];
  value[WORD.typeVlan] = tci.value;
  mask[WORD.typeVlan] = tci.mask;
  const text = formatMatch({ value, mask });
  const { match } = parseFlowMod(text, "query").mod;
  const read = [match.value, match.mask].map((words) => words[WORD.typeVlan]! & 0xffff);
  return `${text} -> ${both({ value: read[0]!, mask: read[1]! })}`;
}

/** A field of Nicira's or OpenFlow's extensible match; nothing when no bit is matched. */
function entry(name: string, { value, mask }: Tci, full: number): string[] {
  if (mask === 0) return [];
  return mask === full ? [`${name}(${hex(value)})`] : [`${name}_W(${hex(value)}/${hex(mask)})`];
}

function throughNxm(tci: Tci): string {
  const text = entry("NXM_OF_VLAN_TCI", tci, 0xffff)[0] ?? "<any>";
  return `NXM: ${text} -> ${both(tci)}`;
}

function throughOxm({ value, mask }: Tci): string {
  const vid = { value: value & TAGGED_VID, mask: mask & TAGGED_VID };
  // A priority is only said of frames that have a tag.
  const saysPriority = vid.value !== 0 && (mask & PCP) !== 0;
  const entries = entry("OXM_OF_VLAN_VID", vid, TAGGED_VID);
  const priority = priorityOf(value);
  if (saysPriority) entries.push(`OXM_OF_VLAN_PCP(${hex(priority, 2)})`);
  const text = entries.length === 0 ? "<any>" : entries.join(", ");
  const isTagged = (vid.value & VLAN_PRESENT) !== 0;
  if (saysPriority && !isTagged) return `OXM: ${text} -> OFPBMC_BAD_PREREQ`;
  const read = saysPriority ? String(priority).padStart(2, "0") : "--";
  return `OXM: ${text} -> ${both(vid)},${read}`;
}

/** What a version before OpenFlow 1.2 has for VLANs; null: wildcarded. */
interface OldMatch {
  readonly vlan: number | null;
  readonly priority: number | null;
}

function oldText(name: string, { vlan, priority }: OldMatch, read: Tci): string {
  const part = (value: number | null, digits: number): string =>
    `${hex(value ?? 0, digits)}/${value === null ? 1 : 0}`;
  return `${name}: ${part(vlan, 4)},${part(priority, 2)} -> ${both(read)}`;
}

const excludesTags = ({ value, mask }: Tci): boolean =>
  (mask & VLAN_PRESENT) !== 0 && (value & VLAN_PRESENT) === 0;

function throughOpenFlow10(tci: Tci): string {
  const { value, mask } = tci;
  const untagged = { vlan: VLAN_NONE, priority: 0 };
  if (excludesTags(tci)) return oldText("OF1.0", untagged, NO_TAG);
  const vlan = (mask & VID) === 0 ? null : value & VID;
  const priority = (mask & PCP) === 0 ? null : priorityOf(value);
  return oldText("OF1.0", { vlan, priority }, tagged(vlan, priority, vlan !== null));
}

function throughOpenFlow11(tci: Tci): string {
  const { value, mask } = tci;
  if (mask === 0) return oldText("OF1.1", { vlan: null, priority: null }, { value: 0, mask: 0 });
  if (excludesTags(tci)) return oldText("OF1.1", { vlan: VLAN_NONE, priority: null }, NO_TAG);
  const vlan = (mask & VID) === 0 ? VLAN_ANY : value & VID;
  const priority = (mask & PCP) === 0 ? null : priorityOf(value);
  const read = tagged(vlan === VLAN_ANY ? null : vlan, priority, true);
  return oldText("OF1.1", { vlan, priority }, read);
}

/** A tag with this VLAN and priority, as far as they are said. */
function tagged(vlan: number | null, priority: number | null, saysTag: boolean): Tci {
  const isSaid = saysTag || priority !== null;
  const mask =
    (isSaid ? VLAN_PRESENT : 0) | (vlan === null ? 0 : VID) | (priority === null ? 0 : PCP);
  return { value: (VLAN_PRESENT | (vlan ?? 0) | ((priority ?? 0) << 13)) & mask, mask };
}

function checkVlan(call: Call): void {
  const [value, mask] = call.args.map((arg) => (Number.parseInt(arg, 16) || 0) & 0xffff);
  const tci = { value: value! & mask!, mask: mask! };
  const lines = [throughText, throughNxm, throughOxm, throughOpenFlow10, throughOpenFlow11];
  call.out(lines.map((through) => `${through(tci)}\n`).join(""));
}

export const VLAN_VERBS: readonly Verb[] = [
  {
    name: "check-vlan",
    min: 2,
    max: 2,
    usage: "VLAN_TCI VLAN_TCI_MASK",
    local: true,
    run: checkVlan,
  },
];
