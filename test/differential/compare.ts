// One flow set and its packets, through Open vSwitch and through our pipeline: what differs.
import { Random } from "../../src/base/random.js";
import { KEY_PACKET_WORDS, VLAN_PRESENT, WORD } from "../../src/flow/key.js";
import { fieldsIn, ourEffects, ovsEffects, splitActions, withoutIds } from "./effects.js";
import { OurSwitch } from "./our-switch.js";
import { megaflowMask } from "./megaflow-text.js";
import { fieldsOf, normalized, packetText } from "./packets.js";
import { BRIDGE, type PrivateOvs } from "./ovs.js";

/** What to run: texts only, so that it can be kept in a file. */
export interface Case {
  readonly version: 10 | 15;
  readonly flows: readonly string[];
  readonly groups: readonly string[];
  readonly packets: readonly Uint32Array[];
}

export interface Difference {
  readonly kind: "refused" | "actions" | "text" | "wildcards" | "trace";
  /** Text of the packet; "" if the flows themselves differ. */
  readonly packet: string;
  readonly ours: string;
  readonly theirs: string;
}

export interface Outcome {
  readonly differences: readonly Difference[];
  readonly pairs: number;
  /** Packets whose megaflow is the same, bit for bit; and those where ours is narrower. */
  readonly same: number;
  readonly narrower: number;
  readonly flips: number;
  /** Packets by the fields of which we look at more bits than Open vSwitch. */
  readonly narrowerIn: ReadonlyMap<string, number>;
  /** Flips in bits that Open vSwitch's own megaflow wildcards, and where it acts otherwise. */
  readonly theirsWider: number;
}

/** One pass of a packet: the first, or one of those that come round again. */
interface Pass {
  readonly megaflow: string;
  readonly actions: string;
}

/** The passes of a trace; none if it is an error. */
function readTrace(text: string): Pass[] {
  return text.split(/^={79}\nrecirc/m).flatMap((part) => {
    const line = (name: string): string | null =>
      new RegExp(`^${name}: (.*)$`, "m").exec(part)?.[1] ?? null;
    const [megaflow, actions] = [line("Megaflow"), line("Datapath actions")];
    return megaflow === null || actions === null ? [] : [{ megaflow, actions }];
  });
}

/** Outputs of the same packet, one after the other, may come in any order. */
function inOrder(effects: readonly string[]): string[] {
  const out: string[] = [];
  let run: string[] = [];
  const rest = (effect: string | undefined): string => (effect ?? "").replace(/^output \d+/, "");
  for (const effect of effects) {
    if (!effect.startsWith("output") || rest(run[0]) !== rest(effect)) {
      out.push(...run.sort());
      run = [];
    }
    run.push(effect);
  }
  return [...out, ...run.sort()];
}

/**
 * A trace without what may differ: megaflows, which are compared bit by bit; ids of what goes round
 * again; the order of outputs of the same packet.
 */
function comparableText(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    if (line.startsWith("Megaflow: ")) return [];
    const actions = /^Datapath actions: (.*)$/.exec(line)?.[1];
    if (actions === undefined) return [withoutIds(line)];
    return [`Datapath actions: ${comparableActions(actions)}`];
  });
}

function comparableActions(text: string): string {
  return inOrder(splitActions(text).map(asOutput)).join(",");
}

const asOutput = (action: string): string =>
  /^\d+$/.test(action) ? `output ${action}` : withoutIds(action);

/** The first lines that differ, or two empty texts. */
function differingLines(ours: readonly string[], theirs: readonly string[]): [string, string] {
  const at = ours.findIndex((line, i) => line !== theirs[i]);
  if (at >= 0) return [ours[at]!, theirs[at] ?? "nothing more"];
  return theirs.length > ours.length ? ["nothing more", theirs[ours.length]!] : ["", ""];
}

const textOf = (effects: readonly string[]): string => inOrder(effects).join("; ") || "nothing";

/**
 * Runs a case; stops nowhere, so that one run shows all differences.
 * @param texts whether the text of traces is compared too, beside what packets undergo.
 */
export async function compare(
  ovs: PrivateOvs,
  one: Case,
  random: Random,
  texts = true,
): Promise<Outcome> {
  const refused = ovs.replaceFlows(one.version, one.flows, one.groups);
  let ours: OurSwitch | null = null;
  let ourRefusal = "";
  try {
    ours = new OurSwitch(one);
  } catch (error) {
    ourRefusal = (error as Error).message;
  }
  const none = { pairs: 0, same: 0, narrower: 0, flips: 0, narrowerIn: new Map(), theirsWider: 0 };
  if (ours === null || refused !== "") {
    // "ovs-ofctl: FILE:LINE: SENTENCE"; of what the switch itself refuses there is a number only.
    const sentence = /:\d+: (.*)\n$/.exec(refused)?.[1] ?? ourRefusal;
    const bothRefuse = ours === null && refused !== "" && sentence === ourRefusal;
    const difference: Difference = {
      ...{ kind: "refused", packet: "" },
      ...{ ours: ourRefusal, theirs: refused },
    };
    return { ...none, differences: bothRefuse ? [] : [difference] };
  }
  return comparePackets({ ovs, ours, random, texts }, one.packets);
}

interface Sides {
  readonly ovs: PrivateOvs;
  readonly ours: OurSwitch;
  readonly random: Random;
  readonly texts: boolean;
}

async function comparePackets(
  { ovs, ours, random, texts }: Sides,
  packets: readonly Uint32Array[],
): Promise<Outcome> {
  const differences: Difference[] = [];
  const traces = await ovs.trace(packets.map((key) => [BRIDGE, packetText(key)]));
  const flips: Flip[] = [];
  const narrowerIn = new Map<string, number>();
  let [same, narrower] = [0, 0];
  packets.forEach((key, i) => {
    const packet = packetText(key);
    const [first, ...rest] = readTrace(traces[i]!);
    if (first === undefined) {
      differences.push({ kind: "trace", packet, ours: "", theirs: traces[i]! });
      return;
    }
    const { megaflow, actions } = first;
    const ourTrace = ours.trace(key);
    const [, ...ourRest] = readTrace(ourTrace);
    const [again, theirsAgain] = [ourRest, rest].map((passes) =>
      passes.map((pass) => comparableActions(pass.actions)).join(" | "),
    );
    if (again !== theirsAgain) {
      differences.push({ kind: "actions", packet, ours: again!, theirs: theirsAgain! });
      return;
    }
    const ourMegaflow = ours.translate(key);
    const [mine, theirs] = [ourEffects(ourMegaflow, key), ovsEffects(actions, key)];
    if (textOf(mine) !== textOf(theirs)) {
      const text = `${textOf(theirs)}   [${actions}]`;
      differences.push({ kind: "actions", packet, ours: textOf(mine), theirs: text });
      return;
    }
    const [line, theirLine] = differingLines(comparableText(ourTrace), comparableText(traces[i]!));
    if (texts && line !== theirLine) {
      differences.push({ kind: "text", packet, ours: line, theirs: theirLine });
    }
    const mask = megaflowMask(megaflow);
    // What Open vSwitch says nothing of is exact where there is no tag (xlate_wc_finish clears it,
    // and dpif_netdev_flow_add takes its absence for "no tag").
    if ((key[WORD.typeVlan]! & VLAN_PRESENT) === 0) mask[WORD.typeVlan]! |= 0xffff;
    if (key[WORD.innerVlan] === 0) mask[WORD.innerVlan] = 0xffffffff;
    mask[WORD.outerTpid] = 0xffff0000;
    const wider = mask.map((bits, w) => (w < KEY_PACKET_WORDS ? bits & ~ourMegaflow.mask[w]! : 0));
    // The text of a packet has neither.
    wider[WORD.innerVlan] = 0;
    wider[WORD.outerTpid] = 0;
    const extra = ourMegaflow.mask.map((bits, w) => bits & ~mask[w]!);
    if (extra.some((bits) => bits !== 0)) {
      narrower++;
      const fields = fieldsIn(extra).join(" ");
      narrowerIn.set(fields, (narrowerIn.get(fields) ?? 0) + 1);
    } else if (wider.every((bits) => bits === 0)) same++;
    flips.push(
      ...chooseFlips({ key, mask: ourMegaflow.mask, theirs: mask, wider }, random).map((flip) => ({
        ...flip,
        effects: textOf(theirs),
      })),
    );
  });
  const { wrong, theirsWider } = await checkFlips(ovs, flips);
  differences.push(...wrong);
  const counts = { pairs: packets.length, same, narrower, flips: flips.length };
  return { differences, ...counts, narrowerIn, theirsWider };
}

/** A packet that our megaflow covers too, and the effects it must have. */
interface Flip {
  readonly key: Uint32Array;
  readonly original: Uint32Array;
  readonly bits: Uint32Array;
  /** Open vSwitch's own megaflow covers it as well. */
  readonly theirsToo: boolean;
  readonly effects: string;
}

interface Masks {
  readonly key: Uint32Array;
  readonly mask: Uint32Array;
  readonly theirs: Uint32Array;
  /** Bits that Open vSwitch looked at and we did not. */
  readonly wider: Uint32Array;
}

/**
 * Packets that differ from the one traced in wildcarded bits only: all bits that Open vSwitch
 * looked at and we did not, one by one; and two random choices among all others.
 */
function chooseFlips({ key, mask, theirs, wider }: Masks, random: Random): Omit<Flip, "effects">[] {
  const flips: Omit<Flip, "effects">[] = [];
  const add = (bits: Uint32Array): void => {
    const flipped = normalized(key.map((word, i) => word ^ bits[i]!));
    if (!isSameIn(flipped, key, mask)) return;
    const theirsToo = isSameIn(flipped, key, theirs);
    flips.push({ key: flipped, original: key, bits, theirsToo });
  };
  const isTagged = (key[WORD.typeVlan]! & VLAN_PRESENT) !== 0;
  if (!isTagged && (wider[WORD.typeVlan]! & VLAN_PRESENT) !== 0) {
    const tag = VLAN_PRESENT | random.below(0x10000);
    add(wider.map((bits, i) => (i === WORD.typeVlan ? bits & tag : 0)));
  }
  for (let word = 0; word < wider.length; word++) {
    if (word === WORD.typeVlan && !isTagged) continue;
    for (let bit = 0; bit < 32; bit++) {
      if ((wider[word]! & (1 << bit)) === 0) continue;
      add(wider.map((_, i) => (i === word ? 1 << bit : 0)));
    }
  }
  const present = presentBits(key);
  for (let n = 0; n < 2; n++) {
    add(present.map((bits, i) => (bits & ~(mask[i] ?? 0xffffffff) & random.next()) >>> 0));
  }
  return flips;
}

/** All bits of the frame's fields. */
function presentBits(key: Uint32Array): Uint32Array {
  const ones = normalized(
    key.map((word, i) => (i === WORD.typeVlan || i === WORD.ip ? word : ~word)),
  );
  const bits = ones.map((word, i) => (i < KEY_PACKET_WORDS ? (word | key[i]!) >>> 0 : 0));
  bits[WORD.typeVlan] = (key[WORD.typeVlan]! & 0x1000) === 0 ? 0 : 0xefff;
  bits[WORD.ip] = fieldsOf(key).includes("nw_proto") ? 0xffffff00 : bits[WORD.ip]!;
  bits[WORD.inPort] = 0;
  bits[WORD.outerTpid] = 0;
  return bits;
}

function isSameIn(a: Uint32Array, b: Uint32Array, mask: Uint32Array): boolean {
  return mask.every((bits, i) => ((a[i]! ^ b[i]!) & bits) === 0);
}

async function checkFlips(
  ovs: PrivateOvs,
  flips: readonly Flip[],
): Promise<{ wrong: Difference[]; theirsWider: number }> {
  let theirsWider = 0;
  const traces = await ovs.trace(flips.map(({ key }) => [BRIDGE, packetText(key)]));
  const wrong = flips.flatMap(({ key, original, bits, theirsToo, effects }, i) => {
    const first = readTrace(traces[i]!)[0];
    // Datapath actions do not depend on wildcarded bits: executed on the first packet, they must
    // do what that packet's own actions do.
    const theirs = first === undefined ? traces[i]! : textOf(ovsEffects(first.actions, original));
    if (theirs === effects) return [];
    if (theirsToo) {
      theirsWider++;
      return [];
    }
    const fields = fieldsIn(bits).join(" ");
    const difference: Difference = {
      ...{ kind: "wildcards", packet: packetText(original) },
      ours: `wildcards ${fields}: ${effects}`,
      theirs: `${packetText(key)}: ${theirs}`,
    };
    return [difference];
  });
  return { wrong, theirsWider };
}
