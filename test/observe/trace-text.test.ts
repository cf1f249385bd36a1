// What the kernel's trace file prints is read as it was meant: recorded on Linux 6.18, and lines of
// other kernels.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  contextOf,
  hasSoftirqsOff,
  parseTrace,
} from "../../src/observe/receive/trace/trace-text.js";

const recorded = (name: string): string =>
  readFileSync(new URL(`recorded/${name}.txt`, import.meta.url), "utf8");

/** One line as the kernel prints it. */
function line(flags: string, rest: string, head = "            node-77    [001]"): string {
  return `${head} ${flags} 35374.869031: ${rest}`;
}

describe("a recorded trace", () => {
  const { events, lost } = parseTrace(recorded("loopback"));

  it("is read event by event, with exact microseconds", () => {
    expect(lost).toBe(0);
    expect(events).toHaveLength(14);
    expect(events[0]).toMatchObject({ name: "sys_enter_sendto", cpu: 1, pid: 11295 });
    expect(events[0]!.atUs).toBe(37_287_870_232);
    expect(events.at(-1)).toMatchObject({ name: "sys_exit_sendto", fields: { returned: "0x10" } });
  });

  it("has fields as pairs, and the poll of a backlog in its own words", () => {
    const byName = (name: string) => events.find((one) => one.name === name)!;
    expect(byName("netif_rx").fields).toEqual({
      dev: "lo",
      skbaddr: "000000006565aa0a",
      len: "36",
    });
    expect(byName("softirq_entry").fields).toEqual({ vec: "3", action: "NET_RX" });
    expect(byName("napi_poll").fields).toMatchObject({ device: "(no_device)", work: "2" });
  });

  it("has the stack of an event with that event, innermost function first", () => {
    const { stack } = events.find(({ name }) => name === "netif_receive_skb")!;
    expect(stack).toContain("__local_bh_enable_ip");
    expect(stack.indexOf("process_backlog")).toBeLessThan(stack.indexOf("raw_sendmsg"));
    expect(events[0]!.stack).toEqual([]);
  });
});

describe("lines of a trace", () => {
  it("a stack goes to its event, though an interrupt came between them", () => {
    const text = [
      line("b....", "net_dev_queue: dev=lo skbaddr=1 len=50"),
      line("D.h3.", "softirq_raise: vec=1 [action=TIMER]"),
      line("D.h3.", "<stack trace>"),
      " => update_process_times",
      line("b....", "<stack trace>"),
      " => __dev_queue_xmit",
    ].join("\n");
    const [queue, raise] = parseTrace(text).events;
    expect(queue!.stack).toEqual(["__dev_queue_xmit"]);
    expect(raise!.stack).toEqual(["update_process_times"]);
  });

  it("events that were overwritten are counted", () => {
    const head = "# entries-in-buffer/entries-written: 3080/3092   #P:2";
    expect(parseTrace(head).lost).toBe(12);
  });

  it.each([
    ["a task whose name has blanks and dashes", "  tokio-rt-1 (a b)-77    [001]"],
    ["a task whose name is not known", "           <...>-77    [001]"],
    ["with the thread group", "            node-77      (     70) [001]"],
  ])("%s", (_what, head) => {
    const [event] = parseTrace(line("..s1.", "netif_rx: dev=lo len=36", head)).events;
    expect(event).toMatchObject({ pid: 77, cpu: 1, name: "netif_rx", flags: "..s1." });
  });

  it("kernels before 5.18 have four flags", () => {
    const [event] = parseTrace(line("d.s1", "netif_rx: dev=lo len=36")).events;
    expect(contextOf(event!)).toBe("softirq");
    expect(hasSoftirqsOff(event!)).toBe(false);
  });

  it.each([
    [".....", "task", false],
    ["b....", "task", true],
    ["D..1.", "task", true],
    ["d..1.", "task", false],
    ["bNs2.", "softirq", true],
    ["..s1.", "softirq", false],
    ["D.h3.", "interrupt", true],
    ["d.H1.", "interrupt", false],
    ["d.z1.", "interrupt", false],
  ])("flags %s: %s, softirqs off: %s", (flags, context, isOff) => {
    expect([contextOf({ flags }), hasSoftirqsOff({ flags })]).toEqual([context, isOff]);
  });

  it("what is no event is skipped, whatever it is", () => {
    const text = [
      "CPU:1 [LOST 33 EVENTS]",
      "##### CPU 0 buffer started ####",
      " => alone",
      "",
      "-1",
    ];
    expect(parseTrace(text.join("\n"))).toEqual({ events: [], lost: 0 });
  });
});
