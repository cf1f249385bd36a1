// Drawings of a counterexample say what the timeline says, in forms that other programs read; and
// a program's result as a test case points at the line that is at fault.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { programCase } from "../../src/cli/program-results.js";
import { explore, scene } from "../../src/explore/explore.js";
import { loadProgram } from "../../src/explore/source/load.js";
import { bpftraceText } from "../../src/explore/text/bpftrace.js";
import { mermaidText } from "../../src/explore/text/mermaid.js";
import { perfettoText } from "../../src/explore/text/perfetto.js";

const folder = fileURLToPath(new URL("../../scenarios/programs/", import.meta.url));

async function drawn(file: string) {
  const program = await loadProgram(readFileSync(`${folder}${file}`, "utf8"), file);
  const result = explore(program);
  return { result, scene: scene(program, result.counterexample!.token) };
}

describe("Mermaid", () => {
  it("a lock held by another is an arrow that does not arrive", async () => {
    expect(mermaidText((await drawn("two-locks.ts")).scene)).toBe(`sequenceDiagram
  actor t0 as notifier
  actor t1 as command
  participant c0 as rtnl
  participant c1 as ovs
  t0->>c0: 1. lock
  t1->>c1: 2. lock
  t0-xc1: waits for ovs, held by command
  t1-xc0: waits for rtnl, held by notifier
  Note over t0,t1: DEADLOCK: notifier -> ovs (held by<br/>command) -> rtnl (held by notifier)
`);
  });

  it("values go from the cell to the thread that loads them", async () => {
    const text = mermaidText((await drawn("queue-pick.ts")).scene);
    expect(text).toContain("  t1->>c0: 1. st := 0\n  c0-->>t0: 2. ld = 0\n");
    expect(text).toContain("Note over t0,t1: LOCKUP: ");
  });

  it("what would end a statement is written as an entity", async () => {
    const { scene: one } = await drawn("queue-pick.ts");
    const text = mermaidText({ ...one, message: "a; b # c\nd <e>" });
    expect(text).toContain(": LOCKUP: a#59; b #35; c d #lt;e>\n");
  });
});

describe("Perfetto", () => {
  interface Event {
    readonly ph: string;
    readonly name: string;
    readonly tid: number;
    readonly ts: number;
    readonly dur: number;
    readonly id: number;
  }

  it("has a track per thread, a slice per step, an arrow per conflict", async () => {
    const { scene: one, result } = await drawn("lost-update.ts");
    const { traceEvents } = JSON.parse(perfettoText(one)) as { traceEvents: Event[] };
    const of = (ph: string) => traceEvents.filter((event) => event.ph === ph);
    expect(of("X")).toHaveLength(result.counterexample!.steps);
    expect(of("M").filter((event) => event.name === "thread_name")).toHaveLength(2);
    // Both stores come after the other thread's load; the second one after the first store.
    const arrows = of("s").map((from) => {
      const to = of("f").find((event) => event.id === from.id)!;
      return [from.ts, from.tid, to.ts, to.tid];
    });
    expect(arrows).toEqual([
      [0.5, 2, 2.5, 1],
      [2.5, 1, 3.5, 2],
    ]);
    const slices = of("X");
    for (const [ts, tid] of arrows.flatMap(([a, b, c, d]) => [
      [a, b],
      [c, d],
    ])) {
      const inside = (x: Event) => x.tid === tid && x.ts <= ts! && ts! < x.ts + x.dur;
      expect(slices.some(inside), `a slice under the arrow at ${ts}`).toBe(true);
    }
  });
});

describe("bpftrace", () => {
  it("each line is `function object: field: value, ...`, or a comment", async () => {
    const { scene: one } = await drawn("treiber-stack.ts");
    const lines = bpftraceText(one).trimEnd().split("\n");
    expect(lines[0]).toBe("ld head: value: 1, step: 1, thread: slow, tid: 1, line: 14");
    for (const line of lines) expect(line).toMatch(/^(# .+|\w+ \S+: (\w+: \S+, )*\w+: \S+)$/);
  });
});

describe("continuous integration", () => {
  it("the place is the step that fails, the details are the timeline", async () => {
    const { result } = await drawn("queue-pick.ts");
    const passed = await programCase("a/queue-pick.ts", result);
    expect([passed.outcome, passed.line]).toEqual(["passed", 14]);
    const failed = await programCase("a/queue-pick.ts", { ...result, expected: "SAFE" });
    expect(failed.outcome).toBe("failed");
    expect(failed.message).toMatch(/^LOCKUP \(expected SAFE\): the same values again/);
    expect(failed.details).toContain("st count := 0");
    expect(failed.command).toContain(`--replay ${result.counterexample!.token}`);
    const bound = await programCase("p.ts", { ...result, verdict: "UNDECIDED" });
    expect(bound.outcome).toBe("error");
  });
});
