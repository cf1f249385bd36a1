// Makes a case that differs small: fewer packets, then fewer flows, then shorter flows, then a
// plainer packet, for as long as it differs in the same way.
import { Random } from "../../src/base/random.js";
import { fieldOf, setFieldWords } from "../../src/flow/fields.js";
import { compare, type Case, type Difference } from "./compare.js";
import { splitActions } from "./effects.js";
import type { PrivateOvs } from "./ovs.js";
import { fieldsOf, normalized, packetText } from "./packets.js";

type StillDiffers = (one: Case) => Promise<boolean>;

export async function shrink(ovs: PrivateOvs, one: Case, like: Difference): Promise<Case> {
  const differs: StillDiffers = async (candidate) => {
    try {
      const { differences } = await compare(ovs, candidate, new Random(1));
      return differences.some((each) => kindOf(each) === kindOf(like));
    } catch {
      // A setup without one of its lines may be none.
      return false;
    }
  };
  let small = one;
  const culprit = one.packets.filter((key) => packetText(key) === like.packet).slice(0, 1);
  const alone = { ...one, packets: culprit };
  if (await differs(alone)) small = alone;
  for (const what of ["taught", "flows", "groups", "peerFlows", "setup"] as const) {
    small = await withFewer(small, what, differs);
  }
  small = await withShorterFlows(small, differs);
  small = await withFewer(small, "flows", differs);
  return withPlainerPacket(small, differs);
}

/** Differences in lines of a trace are of one kind if the lines begin alike. */
function kindOf({ kind, ours, theirs }: Difference): string {
  const head = (text: string): string => /^ *[A-Za-z_]*/.exec(text)![0].trim();
  return kind === "text" ? `${kind} ${head(ours)} ${head(theirs)}` : kind;
}

/** Leaves lines out, in halves, quarters ... and one by one. */
async function withFewer(
  one: Case,
  what: "flows" | "groups" | "setup" | "taught" | "peerFlows",
  differs: StillDiffers,
): Promise<Case> {
  let small = one;
  for (let size = Math.ceil(one[what].length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < small[what].length;) {
      const lines = small[what].filter((_, i) => i < at || i >= at + size);
      const candidate = { ...small, [what]: lines };
      if (await differs(candidate)) small = candidate;
      else at += size;
    }
  }
  return small;
}

/** A line without one of its comma-separated parts: each of its match, each of its actions. */
function shorter(line: string): string[] {
  const at = line.indexOf(" actions=");
  if (at < 0) return [];
  const fields = line.slice(0, at).split(",");
  const actions = splitActions(line.slice(at + " actions=".length));
  const without = (list: readonly string[], i: number): string =>
    list.filter((_, j) => j !== i).join(",");
  const fewerActions = actions.map((_, i) => {
    return `${fields.join(",")} actions=${without(actions, i) || "drop"}`;
  });
  const fewerFields = fields.flatMap((field, i) => {
    const stays = field.startsWith("table=") || field.startsWith("priority=");
    return stays ? [] : [`${without(fields, i)} actions=${actions.join(",")}`];
  });
  return [...fewerActions, ...fewerFields];
}

async function withShorterFlows(one: Case, differs: StillDiffers): Promise<Case> {
  let small = one;
  for (let i = 0; i < small.flows.length; i++) {
    for (let again = true; again;) {
      again = false;
      for (const line of shorter(small.flows[i]!)) {
        const flows = small.flows.map((flow, j) => (j === i ? line : flow));
        if (line === small.flows[i] || !(await differs({ ...small, flows }))) continue;
        small = { ...small, flows };
        again = true;
        break;
      }
    }
  }
  return small;
}

async function withPlainerPacket(one: Case, differs: StillDiffers): Promise<Case> {
  let small = one;
  const [key] = one.packets;
  if (key === undefined) return small;
  for (const id of fieldsOf(key)) {
    if (id === "in_port" || id === "eth_type") continue;
    const plain = small.packets[0]!.slice();
    setFieldWords(plain, fieldOf(id), new Uint32Array(fieldOf(id).words));
    const candidate = { ...small, packets: [normalized(plain)] };
    if (await differs(candidate)) small = candidate;
  }
  return small;
}
