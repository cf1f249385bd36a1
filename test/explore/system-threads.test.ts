// The kernel path on real threads, each step when a schedule says so: the shipped files of path and
// models, with the primitives replaced, end in the verdict that the explorer found.
import { beforeAll, describe, expect, it } from "vitest";
import { Machine } from "../../src/explore/search/machine.js";
import { type Cell, type CellOptions, makeCell } from "../../src/explore/system/cell.js";
import { type Graph, loadGraph } from "../../src/explore/system/graph.js";
import * as controlled from "../../src/explore/threads/system/controlled-sync.js";
import { replaySystem } from "../../src/explore/threads/system/replay.js";
import { encodeToken, type TokenMove } from "../../src/explore/text/token.js";
import { VERDICTS, type Verdict } from "../../src/explore/types.js";
import { kernelBytes } from "../../src/path/kernel.js";
import * as production from "../../src/sync/primitives.js";

const CONFIG = { cpus: 2, devices: 2, queues: 4, ports: 2, socks: 0, seed: 1 };
const BASE: CellOptions = {
  guard: "none",
  kind: "veth",
  hint: true,
  profile: "6.1",
  event: "link-delete",
  cpus: 2,
  packets: 1,
  queues: 4,
};

let graph: Graph;
beforeAll(async () => {
  graph = await loadGraph();
});

/** The administrator until it waits, then CPU 0, then everybody else, to the end. */
function adminFirst(cell: Cell): { readonly token: string; readonly verdict: Verdict } {
  const { program } = cell;
  const machine = new Machine(program, 3_000);
  const names = program.threads.map((one) => one.name);
  const order = ["admin", "rx0", "kworker", "linkwatch", "rcu", "rx1"];
  // Words become known when a step first touches them: the second round has all of them.
  for (let slots = -1; ;) {
    const s = machine.initial();
    const moves: TokenMove[] = [];
    for (;;) {
      const next = order.find((name) => machine.isEnabled(s, names.indexOf(name)));
      if (next === undefined || machine.ended(s) >= 0) break;
      const thread = names.indexOf(next);
      machine.take(s, thread, 0);
      moves.push({ thread, choice: 0, isChoice: false });
    }
    const { length } = graph.runtime.addresses;
    if (length !== slots) {
      slots = length;
      continue;
    }
    const ended = machine.ended(s);
    const failed = ended < 0 ? "SAFE" : VERDICTS[machine.stepOf(s, ended).a]!;
    return { token: encodeToken(program.sourceHash, moves), verdict: failed };
  }
}

function replayed(options: CellOptions, times: number) {
  const cell = makeCell(graph, options, null);
  const { token, verdict } = adminFirst(cell);
  const { program } = cell;
  const mappings = [options.hint ? 1 : 0];
  const runs = replaySystem({
    program,
    addresses: graph.runtime.addresses,
    words: kernelBytes(CONFIG) / 4,
    data: {
      options: { ...options, mappings },
      config: CONFIG,
      threads: program.threads.map((one) => one.name),
      guardFile: null,
    },
    token,
    expected: { verdict, message: "" },
    times,
  });
  return { verdict, runs };
}

describe("the controlled primitives", () => {
  it("have the names of production's", () => {
    expect(Object.keys(controlled).sort()).toEqual(Object.keys(production).sort());
  });
});

describe("the headline system", () => {
  const cases: [string, string, string, Verdict][] = [
    ["none", "veth", "link-delete", "LOCKUP"],
    ["none", "dummy", "link-delete", "LOCKUP"],
    ["carrier", "dummy", "link-delete", "LOCKUP"],
    ["carrier", "veth", "link-delete", "SAFE"],
    ["running-carrier", "dummy", "link-delete", "SAFE"],
    ["none", "veth", "netns-delete", "LOCKUP"],
    ["none", "veth", "del-port", "SAFE"],
  ];
  it.each(cases)("guard %s, %s, %s: %s on real threads too", async (...one) => {
    const [guard, kind, event, expected] = one;
    const { verdict, runs } = replayed({ ...BASE, guard, kind, event }, 10);
    expect(verdict).toBe(expected);
    expect((await runs).map((run) => run.verdict)).toEqual(Array(10).fill(expected));
  });
});
