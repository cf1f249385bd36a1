// One flow set and its packets, through Open vSwitch and through our pipeline: what differs.
import { Random } from "../../src/base/random.js";
import { KEY_PACKET_WORDS, VLAN_PRESENT, WORD } from "../../src/flow/key.js";
import {
  fieldsIn,
  inOrder,
  ourEffects,
  ovsEffects,
  ovsEffectsOnFrame,
  withTheirMeters,
  withoutIds,
} from "./effects.js";
import type { Version } from "./actions.js";
import { OurSwitch } from "./our-switch.js";
import { megaflowMask } from "./megaflow-text.js";
import { fieldsOf, normalized, packetOf, packetText } from "./packets.js";
import { BRIDGE, PEER_BRIDGE, flowCommands, type PrivateOvs } from "./ovs.js";

/** What to run: texts only, so that it can be kept in a file. */
export interface Case {
  readonly version: Version;
  readonly flows: readonly string[];
  readonly groups: readonly string[];
  readonly packets: readonly Uint32Array[];
  /** Command lines of ovs-vsctl and ovs-ofctl, done on a fresh bridge. */
  readonly setup: readonly string[];
  /**
   * Arguments of `ofproto/trace` behind the bridge, traced with side effects before `packets`; or
   * command lines of ovs-ofctl, done between them.
   */
  readonly taught: readonly string[];
  /** Flows of the other bridge, if `setup` makes one. */
  readonly peerFlows: readonly string[];
}

export interface Difference {
  readonly kind: "refused" | "actions" | "text" | "wildcards" | "trace" | "learned";
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

/**
 * A trace without what may differ or is compared by other means: megaflows, bit by bit; datapath
 * actions, by what they do; ids of what goes round again; what a hash gives a bucket.
 */
function comparableText(text: string): string[] {
  const withoutHashes = text.replace(/(-> bucket \d+: score) \d+/g, "$1");
  const lines = withoutHashes.split("\n").map(withoutIds);
  return lines.filter((line) => !/^(Megaflow|Datapath actions): /.test(line));
}

/** What actions in text do to a packet. */
const effectsText = (actions: string, key: Uint32Array): string => textOf(ovsEffects(actions, key));

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
 * @throws Error when the setup itself is refused.
 */
export async function compare(
  ovs: PrivateOvs,
  one: Case,
  random: Random,
  texts = true,
): Promise<Outcome> {
  ovs.setUp(one.setup, one.taught.length > 0);
  const ours = await OurSwitch.start(one.setup);
  const refused = ovs.replaceFlows(one.version, one.flows, one.groups);
  let ourRefusal = "";
  for (const { line, files } of flowCommands(one)) {
    if (ourRefusal === "") ourRefusal = (await ours.tool(line, files)).stderr;
  }
  const none = { pairs: 0, same: 0, narrower: 0, flips: 0, narrowerIn: new Map(), theirsWider: 0 };
  if (ourRefusal !== "" || refused !== "") {
    const difference: Difference = {
      ...{ kind: "refused", packet: "" },
      ...{ ours: ourRefusal, theirs: refused },
    };
    return { ...none, differences: refused === ourRefusal ? [] : [difference] };
  }
  const sides = { ovs, ours, random, texts };
  const learned = await compareLearning(sides, one);
  const outcome = await comparePackets(sides, one.packets);
  return { ...outcome, differences: [...learned, ...outcome.differences] };
}

/** Teaches both the same, packet by packet, and compares what they did and what they know then. */
async function compareLearning({ ovs, ours }: Sides, one: Case): Promise<Difference[]> {
  const differences: Difference[] = [];
  const differ = (packet: string, mine: string, theirs: string): void => {
    if (mine !== theirs) differences.push({ kind: "learned", packet, ours: mine, theirs });
  };
  const hasPeer = one.setup.some((line) => line.includes(`add-br ${PEER_BRIDGE}`));
  if (hasPeer) {
    const peer = { version: 10, flows: one.peerFlows, groups: [] } as const;
    for (const { line, files } of flowCommands(peer, PEER_BRIDGE)) {
      const [mine, theirs] = [await ours.tool(line, files), ovs.tool(line, files)];
      differ(line.join(" "), mine.stderr, theirs.stderr);
    }
  }
  for (const text of one.taught) {
    if (text.startsWith("ovs-ofctl ")) {
      const [mine, theirs] = [await ours.tool(text.split(" ")), ovs.tool(text.split(" "))];
      differ(text, JSON.stringify(mine), JSON.stringify(theirs));
      continue;
    }
    const args = [BRIDGE, ...text.split(" ")];
    const mine = withTheirMeters(ours.trace(...args));
    const theirs = await ovs.appctl("ofproto/trace", ...args);
    const passes = [mine, theirs].map((trace) =>
      readTrace(trace).map(({ actions }) => taughtEffects(actions, text)),
    );
    differ(text, passes[0]!.join(" | "), passes[1]!.join(" | "));
    differ(text, ...differingLines(comparableText(mine), comparableText(theirs)));
  }
  if (one.taught.length === 0) return differences;
  for (const bridge of hasPeer ? [BRIDGE, PEER_BRIDGE] : [BRIDGE]) {
    const mine = await ours.tool(["ovs-appctl", "fdb/show", bridge]);
    const theirs = await ovs.appctl("fdb/show", bridge);
    differ(`fdb/show ${bridge}`, withoutAges(mine.stdout), withoutAges(theirs));
  }
  // Of a masked TCI, versions with OXM make something that Open vSwitch itself cannot read again,
  // and 1.0 of write_metadata before goto_table.
  const isUnreadable = one.flows.some((flow) => /vlan_tci=|write_metadata.*goto_table/.test(flow));
  for (const version of isUnreadable ? [one.version] : [10, 13, 15]) {
    const dump = ["ovs-ofctl", `-OOpenFlow${version}`, "dump-flows", "--no-stats", BRIDGE];
    const [mine, theirs] = [await ours.tool(dump), ovs.tool(dump)];
    const lines = [mine, theirs].map((answer) => sortedLines(answer.stdout));
    differ(dump.join(" "), ...differingLines(lines[0]!, lines[1]!));
  }
  return differences;
}

/** What actions do to a packet that is taught: a frame in hex, or described. */
function taughtEffects(actions: string, taught: string): string {
  const [flow, packet] = taught.split(" ") as [string, string];
  if (packet === "-generate") return effectsText(actions, packetOf(flow));
  return textOf(ovsEffectsOnFrame(actions, Buffer.from(packet, "hex")));
}

/** When an entry was used last, and so which comes first, depends on the machine's load. */
const withoutAges = (text: string): string => sortedLines(text.replace(/ +\d+$/gm, "")).join("\n");

/** Flows of the same table come in the order of a hash table. */
const sortedLines = (text: string): string[] => text.split("\n").sort();

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
    const ourTrace = withTheirMeters(ours.trace(BRIDGE, packet));
    const [, ...ourRest] = readTrace(ourTrace);
    const [again, theirsAgain] = [ourRest, rest].map((passes) =>
      passes.map((pass) => effectsText(pass.actions, key)).join(" | "),
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
