// Goal: the page is one safe, complete file whatever the run was, and shows what the run says.
// Method: render the sample runs and read the text; what it looks like was judged by eye.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { DROP_REASONS } from "../../src/base/drop-reasons.js";
import { html } from "../../src/report/html/markup.js";
import { reportPage } from "../../src/report/html/page.js";
import { packRows, ticks } from "../../src/report/html/scale.js";
import { stateClass } from "../../src/report/html/lanes.js";
import type { RunRecord } from "../../src/report/types.js";
import { emptyRun, hostileRun, invalidRun, lockupRun, safeRun } from "./samples.js";

const RUNS: readonly (readonly [string, () => RunRecord])[] = [
  ["a lockup", lockupRun],
  ["a safe run", safeRun],
  ["an invalid run", invalidRun],
  ["a run without requests", emptyRun],
  ["a run whose names are markup", hostileRun],
];

interface Tag {
  readonly name: string;
  readonly kind: "start" | "end" | "empty";
  readonly attributes: readonly string[];
}

const TAG = /<(\/?)([a-z!][a-z0-9]*)((?:\s+[a-zA-Z0-9:-]+(?:="[^"]*")?)*)\s*(\/?)>/gi;

/** The tags of a page, read strictly: a `<` that does not begin a well-formed tag is an error. */
function tagsOf(page: string): Tag[] {
  const body = page.replace(/(<style>)[^]*?(<\/style>)|(<script>)[^]*?(<\/script>)/g, "$1$2$3$4");
  expect(body.replace(TAG, "")).not.toContain("<");
  return [...body.matchAll(TAG)].map(([, end, name, rest, empty]) => ({
    name: name!.toLowerCase(),
    kind: end === "/" ? "end" : empty === "/" ? "empty" : "start",
    attributes: [...rest!.matchAll(/([a-zA-Z0-9:-]+)(?:="[^"]*")?/g)].map((m) => m[1]!),
  }));
}

/** Names of the elements that are still open at the end, or the end tag that has no start. */
function unbalanced(tags: readonly Tag[]): string[] {
  const open: string[] = [];
  for (const tag of tags) {
    if (tag.name.startsWith("!") || tag.kind === "empty") continue;
    if (tag.kind === "start") open.push(tag.name);
    else if (open.pop() !== tag.name) return [`/${tag.name}`];
  }
  return open;
}

describe("report.html", () => {
  it.each(RUNS)("%s: one file, closed elements, no number that is not one", (_name, make) => {
    const page = reportPage(make());
    expect(page.startsWith("<!doctype html>")).toBe(true);
    const tags = tagsOf(page);
    expect(unbalanced(tags)).toEqual([]);
    expect(page).not.toMatch(/\b(NaN|undefined|Infinity|\[object)/);
    // Nothing is loaded, nothing is handled outside the one script, no style needs an exception.
    const forbidden = /^(src|href|action|srcset|style|on.*)$/i;
    expect(tags.flatMap((tag) => tag.attributes).filter((name) => forbidden.test(name))).toEqual(
      [],
    );
    expect(page.replace(/^.*const NS = .*$/m, "")).not.toMatch(/https?:|@import|url\((?!#)/);
  });

  it("names that are markup stay text, and only the page's own script may run", () => {
    const page = reportPage(hostileRun());
    const names = tagsOf(page).map((tag) => tag.name);
    expect(names.filter((name) => name === "script")).toHaveLength(2);
    expect(names).not.toContain("img");
    expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    expect(page).not.toContain("\u0000");
  });

  it.each(["style", "script"])("the policy's hash is that of the %s as it stands", (tag) => {
    const page = reportPage(safeRun());
    const content = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(page)?.[1] ?? "";
    const hash = createHash("sha256").update(content).digest("base64");
    const policy = /Content-Security-Policy"\s+content="([^"]*)"/.exec(page)?.[1] ?? "";
    expect(policy.replaceAll("&#39;", "'")).toContain(`${tag}-src 'sha256-${hash}'`);
    expect(policy).not.toContain("unsafe");
  });

  it("verdict and reason come before anything else", () => {
    const { report } = lockupRun();
    const page = reportPage(lockupRun());
    const main = page.slice(page.indexOf("<main>"));
    const order = [report.verdict, "as expected", report.why, 'id="lockups"', 'id="window"'];
    const places = order.map((text) => main.indexOf(text));
    expect(places.every((place) => place > 0)).toBe(true);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
    expect(page).toContain("watchdog: BUG: soft lockup - CPU#2 stuck for 6s! [rxq2:41002]");
  });

  it("a window of 76 us is drawn wide enough to be seen, in both sizes", () => {
    const page = reportPage(lockupRun());
    const bands = [...page.matchAll(/class="band"\s+x="[\d.]+"\s+y="[\d.]+"\s+width="([\d.]+)"/g)];
    const widths = bands.map((match) => Number(match[1]));
    // Whole and enlarged, on the wide page and on the narrow one.
    expect(widths).toHaveLength(4);
    expect(Math.max(...widths.slice(0, 2))).toBeGreaterThan(300);
    expect(Math.max(...widths.slice(2))).toBeGreaterThan(100);
    expect(page).toContain("count 0, still published: 76 µs");
  });

  it("a port never unpublished and one that was unpublished first are told apart", () => {
    const run = lockupRun();
    const window = run.report.windows[0]!;
    const page = (change: object) => {
      const windows = [{ ...window, ...change }];
      return reportPage({ ...run, report: { ...run.report, windows } });
    };
    const still = page({ microseconds: null, unpublishedAtMs: null });
    expect(still).toContain("never unpublished");
    const zeroedAtMs = 3205.9;
    const first = page({ microseconds: 0, zeroedAtMs, unpublishedAtMs: 3205.2 });
    expect(first).toContain("unpublished before its queue count was zeroed");
    expect(first).not.toContain('class="band"');
  });

  it("every drop reason is shown with its sentence", () => {
    const run = safeRun();
    const drops = Object.fromEntries(DROP_REASONS.map(([name], i) => [name, i + 1]));
    const frames = { ...run.report.frames, drops };
    const page = reportPage({ ...run, report: { ...run.report, frames } });
    for (const [, sentence] of DROP_REASONS) {
      expect(page).toContain(html`${sentence}`.markup);
    }
  });

  it("a long run with 64 workers stays a small page", () => {
    const run = safeRun();
    const lanes = Array.from({ length: 64 }, (_, worker) =>
      Array.from({ length: 4000 }, (_, i) => ({
        lane: `rxq${worker}`,
        fromMs: i * 1.5,
        toMs: i * 1.5 + 0.7,
        state: i % 2 === 0 ? "forwarding" : "idle",
      })),
    ).flat();
    const one = run.samples[0]!;
    const samples = Array.from({ length: 50_000 }, (_, i) => ({ ...one, atMs: i * 50 }));
    expect(reportPage({ ...run, lanes, samples }).length).toBeLessThan(8e6);
  });
});

describe("drawing", () => {
  it("ticks are round, inside the range and few", () => {
    expect(ticks(0, 9684, 8)).toEqual([0, 2000, 4000, 6000, 8000]);
    expect(ticks(-0.05, 0.11, 4)).toEqual([-0.05, 0, 0.05, 0.1]);
    expect(ticks(5, 5, 4)).toEqual([5]);
  });

  it("labels in one row never overlap", () => {
    const starts = [0, 10, 20, 30, 200];
    const rows = packRows(starts, [50, 50, 50, 50, 50], 3);
    expect(rows).toEqual([0, 1, 2, -1, 0]);
  });

  it("states have the class that the legend explains", () => {
    const classes = ["idle", "forwarding", "spinning", "holds ovs_mutex", "waits for ovs_mutex"];
    classes.push("U5 synchronize_net", "U8 unlist_netdevice", "locked up", "stopped");
    classes.push("synchronize_rcu_expedited ret", "ovs flow dump holds ovs_mutex", "ovs_lock");
    expect(classes.map(stateClass)).toEqual([
      "idle",
      "work",
      "spin",
      "lock",
      "wait",
      "wait",
      "step",
      "spin",
      "idle",
      "step",
      "lock",
      "lock",
    ]);
  });
});
