// Goal: the summary and the progress line say the right thing in 80 columns, in color or not.
// Method: the sample runs as text; a stream that remembers what it was sent.
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { createProgress, progressLine } from "../../src/report/progress.js";
import { summary, wantsColor } from "../../src/report/summary.js";
import { duration, grouped, microseconds, short } from "../../src/report/text.js";
import type { RunRecord, Sample } from "../../src/report/types.js";
import { emptyRun, hostileRun, invalidRun, lockupRun, safeRun } from "./samples.js";

const plain = (run: RunRecord) => summary(run, { color: false });

describe("summary", () => {
  it("a lockup: verdict, reason, the kernel's line, the state words, the command", () => {
    const text = plain(lockupRun());
    const lines = text.split("\n");
    expect(lines[0]).toMatch(/^ LOCKUP {2}ovs-netns-delete, guard none, .* as expected$/);
    expect(lines[1]).toContain("3 of 8 workers never left skb_tx_hash");
    expect(text).toContain("server (port 2): 76 µs with 0 queues and still published");
    expect(text).toContain("watchdog: BUG: soft lockup - CPU#2 stuck for 6s! [rxq2:41002]");
    expect(text.replace(/\s+/g, " ")).toContain("real_num_tx_queues 0, reg_state unregistering");
    expect(text).toContain("and 2 more workers: rxq5, rxq6");
    expect(text).toContain(lockupRun().report.command);
    expect(text).toContain(lockupRun().report.folder);
  });

  it("a safe run: undisturbed, balanced, no leaks, no lockup row", () => {
    const text = plain(safeRun());
    expect(text).toContain("500 of 500 ok: undisturbed");
    expect(text).toContain("balanced");
    expect(text).toMatch(/leaks\s+none/);
    expect(text).not.toMatch(/^ {2}lockup/m);
  });

  it("an unexpected verdict, books that do not balance and leaks cannot be overlooked", () => {
    const text = plain(invalidRun());
    expect(text).toContain("NOT as expected: the scenario expects SAFE");
    expect(text.replace(/\s+/g, " ")).toContain("NOT balanced, 1 frame unaccounted for");
    expect(text).toContain("1 device, 2 file descriptors, 0 workers left behind");
    expect(text).toContain("never fired");
    expect(text).toContain("warning");
  });

  it("a run without requests says so and divides by nothing", () => {
    const text = plain(emptyRun());
    expect(text).toContain("none were sent");
    expect(text).not.toMatch(/NaN|undefined|null|Infinity/);
  });

  it.each([
    ["lockup", lockupRun],
    ["safe", safeRun],
    ["invalid", invalidRun],
    ["empty", emptyRun],
  ])("%s: no line is longer than 80 columns but those that are copied", (_name, make) => {
    const run = make();
    for (const line of plain(run).split("\n")) {
      if (line.includes(run.report.command) || line.includes(run.report.folder ?? "\n")) continue;
      expect(line.length).toBeLessThanOrEqual(80);
    }
  });

  it("color adds nothing but color, and names cannot send escape sequences", () => {
    const colored = summary(lockupRun(), { color: true });
    expect(colored).toContain("\u001b[");
    expect(stripVTControlCharacters(colored)).toBe(plain(lockupRun()));
    const run = hostileRun();
    const scenario = "x\u001b[2Jy\u009b1m";
    const text = plain({ ...run, report: { ...run.report, scenario, command: scenario } });

    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it("NO_COLOR wins, then FORCE_COLOR, then the terminal", () => {
    expect(wantsColor({ isTTY: true }, {})).toBe(true);
    expect(wantsColor({}, {})).toBe(false);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColor({ isTTY: true }, { TERM: "dumb" })).toBe(false);
    expect(wantsColor({}, { FORCE_COLOR: "1" })).toBe(true);
    expect(wantsColor({ isTTY: true }, { FORCE_COLOR: "0" })).toBe(false);
    expect(wantsColor({}, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(false);
  });
});

const SAMPLE: Sample = {
  atMs: 3200,
  requestsSent: 3000,
  requestsOk: 1204,
  requestsFailed: 12,
  inFlight: 1784,
  framesIn: 220_014,
  framesOut: 218_811,
  framesDropped: 1203,
  rssBytes: 1e8,
};

function recorder(isTTY: boolean) {
  const written: string[] = [];
  return { written, stream: { isTTY, columns: 60, write: (text: string) => written.push(text) } };
}

describe("progress", () => {
  it("is one line that fits", () => {
    const line = progressLine(SAMPLE, { requests: 3000, columns: 200 });
    expect(line).toBe(
      "  3.2 s  1,204/3,000 requests ok, 12 failed, 1,784 in flight, 220,014 frames, 1,203 dropped",
    );
    expect(progressLine(SAMPLE, { requests: 3000, columns: 40 })).toHaveLength(40);
  });

  it("is drawn again in place on a terminal and removed at the end", () => {
    const { written, stream } = recorder(true);
    const progress = createProgress(stream, { requests: null });
    progress.update(SAMPLE);
    progress.update({ ...SAMPLE, atMs: 3250 });
    progress.update({ ...SAMPLE, atMs: 3400 });
    progress.done();
    expect(written).toHaveLength(3);
    expect(written.every((text) => text.startsWith("\r\u001b[2K"))).toBe(true);
    expect(written.join("")).not.toContain("\n");
    expect(written[0]!.length).toBeLessThanOrEqual(60 + 5);
  });

  it("is a plain line every three seconds elsewhere, without control characters", () => {
    const { written, stream } = recorder(false);
    const progress = createProgress(stream, { requests: 3000 });
    for (let atMs = 0; atMs <= 9000; atMs += 50) progress.update({ ...SAMPLE, atMs });
    progress.note("fault netns-delete server");
    progress.done();
    expect(written).toHaveLength(5);
    expect(written.every((text) => text.endsWith("\n") && !text.includes("\u001b"))).toBe(true);
  });
});

describe("numbers", () => {
  it("are grouped, short and never in exponents", () => {
    expect([0, 999, 1000, -1234567, 1e15].map(grouped)).toEqual([
      "0",
      "999",
      "1,000",
      "-1,234,567",
      "1,000,000,000,000,000",
    ]);
    expect([0.01234, 0.5, 4.5678, 78.94, 1234.5].map(short)).toEqual([
      "0.0123",
      "0.5",
      "4.57",
      "78.9",
      "1,235",
    ]);
    expect(microseconds(12_345)).toBe("12,345 µs");
    expect([0, 0.0524, 3.21, 4400].map(duration)).toEqual(["0 ms", "52.4 µs", "3.21 ms", "4.4 s"]);
  });
});
