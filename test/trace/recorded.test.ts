// Traces, letter by letter as Open vSwitch 3.1 prints them: against what it printed when the cases
// were recorded, always; and against the one that is installed, where there is one.
//
// Three things are no law of Open vSwitch and are made equal first: the order of outputs in a run
// of nothing but outputs (it follows hash tables), ids of recirculation (they count up as long as
// the process lives), and the scores of a select group's buckets.
//
// To record again: RECORD_TRACES=1 npx vitest run -c test/vitest.config.ts
// test/trace/recorded.test.ts
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import { formatTrace } from "../../src/trace/print.js";
import { traceCommand } from "../../src/trace/arguments.js";
import { missingOvs, PrivateOvs } from "../differential/ovs.js";
import type { TraceCase } from "./case.js";
import { CASES } from "./cases.js";
import { ourBridge } from "./our-bridge.js";
import { configure } from "./ovs-bridge.js";

const FILE = new URL("recorded.json", import.meta.url);
const records = process.env["RECORD_TRACES"] === "1";
const missing = missingOvs();

type Recorded = Record<string, readonly string[]>;

/** What our switch prints for each trace of a case, or the sentence of its refusal. */
function ours(one: TraceCase): string[] {
  const bridge = ourBridge(one);
  return one.traces.map((args) => {
    try {
      return formatTrace(traceCommand([bridge], args));
    } catch (error) {
      if (!(error instanceof PacketpathError)) throw error;
      return error.message;
    }
  });
}

async function theirs(ovs: PrivateOvs, one: TraceCase): Promise<string[]> {
  await configure(ovs, one);
  const texts: string[] = [];
  for (const args of one.traces) texts.push(await ovs.appctl("ofproto/trace", ...args));
  return texts;
}

/** The same text with what is no law made equal. */
function lawful(text: string): string {
  const ids = new Map<string, string>();
  const renumbered = text.replace(/(recirc\(|recirc_id=)0x([0-9a-f]+)/g, (_, head, id) => {
    if (!ids.has(id)) ids.set(id, (ids.size + 1).toString(16));
    return `${head}0x${ids.get(id)!}`;
  });
  return (
    renumbered
      .split(/^(?=Flow: )/m)
      .map(sortOutputs)
      .join("")
      .replace(/recirc_id=\d+,rule_cookie/g, "recirc_id=N,rule_cookie")
      // A mask of 20 bits, in a field that Open vSwitch keeps in 32.
      .replace(/(ipv6_label=0x[0-9a-f]{5})\/0xfffff/g, "$1")
      .replace(/: score \d+/g, ": score N")
      .trimEnd()
  );
}

/**
 * Outputs of one pass, each with the tags that the packet then has, sorted in runs of nothing else:
 * floods go to ports in the order of hash tables, and what is pushed, popped and looked at in
 * between follows that order.
 */
function sortOutputs(pass: string): string {
  const tagged = /^Flow: .*dl_vlan=(\d+),dl_vlan_pcp=(\d)/m.exec(pass);
  const own = tagged === null ? [] : [`push_vlan(vid=${tagged[1]},pcp=${tagged[2]})`];
  const lawfulMask = pass.includes("flooding") ? pass.replace(PRIORITY_LOOKED_AT, "$1") : pass;
  return lawfulMask.replace(/^(Datapath actions: )(.*)$/m, (_, head: string, list: string) => {
    return head + effects(splitActions(list), own).join(",");
  });
}

const PRIORITY_LOOKED_AT = /^(Megaflow: .*dl_vlan=\d+),dl_vlan_pcp=\d/m;

function effects(actions: readonly string[], ownTags: readonly string[]): string[] {
  const done: string[] = [];
  const tags = [...ownTags];
  let run: string[] = [];
  let cut = "";
  for (const action of actions) {
    if (action.startsWith("push_vlan")) tags.push(action);
    else if (action === "pop_vlan") tags.pop();
    else if (action.startsWith("trunc")) cut = `${action}:`;
    else if (/^[\w-]+$/.test(action)) {
      run.push(`${cut}${action}[${tags.join("")}]`);
      cut = "";
    } else {
      done.push(...run.sort(), action);
      run = [];
    }
  }
  return [...done, ...run.sort()];
}

/** Cuts at commas outside of parentheses. */
function splitActions(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === "(") depth++;
    else if (text[i] === ")") depth--;
    if (i < text.length && (text[i] !== "," || depth > 0)) continue;
    parts.push(text.slice(from, i));
    from = i + 1;
  }
  return parts;
}

const unrecorded = records ? " (needs traces that are not being recorded)" : "";
describe.skipIf(records)(`traces are those of Open vSwitch 3.1${unrecorded}`, () => {
  const recorded = records ? {} : (JSON.parse(readFileSync(FILE, "utf8")) as Recorded);
  it.each(CASES)("$name", (one) => {
    expect(ours(one).map(lawful)).toEqual(recorded[one.name]!.map(lawful));
  });

  it("covers 60 packets and more", () => {
    expect(CASES.flatMap((one) => one.traces).length).toBeGreaterThan(100);
  });
});

describe.skipIf(missing !== "")(
  `the installed Open vSwitch prints what was recorded ${missing}`,
  () => {
    let ovs: PrivateOvs;
    const made: Recorded = {};
    beforeAll(async () => {
      ovs = await PrivateOvs.start();
    });
    afterAll(() => {
      ovs?.stop();
      if (records) writeFileSync(FILE, `${JSON.stringify(made, null, 2)}\n`);
    });

    it.each(CASES)("$name", async (one) => {
      const texts = await theirs(ovs, one);
      if (records) {
        made[one.name] = texts;
        return;
      }
      const recorded = JSON.parse(readFileSync(FILE, "utf8")) as Recorded;
      expect(texts.map(lawful)).toEqual(recorded[one.name]!.map(lawful));
    });
  },
);
