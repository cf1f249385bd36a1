// One packet's way through a recorded trace, what is claimed of it, and how it is drawn. Every
// claim is also held against a trace in which it is wrong.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { backlogClaims, piecesFor } from "../../src/observe/receive/backlog.js";
import { claimLine, claimOf } from "../../src/observe/receive/claims.js";
import { pingClaims, steeredClaims, writeClaims } from "../../src/observe/receive/judge.js";
import {
  kernelVersion,
  loopbackNotes,
  receiveRules,
  tapNotes,
} from "../../src/observe/receive/kernel-rules.js";
import { pingStories, writeStories } from "../../src/observe/receive/trace/stories.js";
import { callChain, timelineLines } from "../../src/observe/receive/trace/timeline.js";
import { PING_BYTES } from "../../src/host/stimulus/loopback-ping.js";
import { parseTrace } from "../../src/observe/receive/trace/trace-text.js";

const recorded = (name: string): string =>
  readFileSync(new URL(`recorded/${name}.txt`, import.meta.url), "utf8");

const RULES = receiveRules(kernelVersion("6.18.44"));
const SENDER = 11295;
const WRITER = 11306;

const pings = (text: string) => pingStories(parseTrace(text).events, SENDER, PING_BYTES);
const writes = (text: string) => writeStories(parseTrace(text).events, WRITER, "tap0");
/** The claims that did not hold each time. */
const broken = (claims: readonly { claim: string; holds: number; of: number }[]) =>
  claims.filter(({ holds, of }) => of === 0 || holds < of).map(({ claim }) => claim);

describe("a ping over loopback", () => {
  const text = recorded("loopback");

  it("3.5 #11 is received in the sender's own context and CPU, as a softirq", () => {
    const [ping] = pings(text);
    expect(ping!.received).toMatchObject({ pid: SENDER, cpu: 1 });
    expect(ping!.replyReceived).toMatchObject({ pid: SENDER, cpu: 1 });
    expect(pingClaims(pings(text), RULES).map(({ holds, of }) => [holds, of])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  it.each([
    [
      "the receive ran in the sender's own context and CPU",
      "[001] ..s1. 37287.870262",
      "[000] ..s1. 37287.870262",
    ],
    [
      "it ran as a softirq (flag s), before sendto() returned",
      "..s1. 37287.870262",
      "b.... 37287.870262",
    ],
    [
      "the transmit was no softirq: it put the packet into a backlog",
      "b.... 37287.870250",
      "b.s1. 37287.870250",
    ],
    ["the transmit ran with softirqs off (flag b)", "b.... 37287.870250", "..... 37287.870250"],
  ])("%s: no, where the trace says otherwise", (claim, from, to) => {
    expect(text).toContain(from);
    const claims = pingClaims(pings(text.replace(from, to)), RULES);
    expect(broken(claims)).toEqual([claim]);
    expect(claims.every(({ asExpected }) => asExpected)).toBe(false);
  });

  it("a receive that is not there breaks the claims, except on 4.9 to 6.4", () => {
    const lines = text.split("\n").filter((one) => !one.includes("netif_receive_skb:"));
    const unreceived = pings(lines.join("\n"));
    expect(unreceived[0]!.received).toBeNull();
    expect(broken(pingClaims(unreceived, RULES))).toHaveLength(2);
    const old = pingClaims(unreceived, receiveRules(kernelVersion("6.1.0")));
    expect(old.every(({ asExpected }) => asExpected)).toBe(true);
  });

  it("packets of others on other loopback devices are not taken for it", () => {
    const foreign = "  curl-999     [000] b.... 37287.870251: netif_rx: dev=lo skbaddr=77 len=36";
    const lines = text.split("\n");
    const at = lines.findIndex((one) => one.includes("netif_rx: "));
    const [ping] = pings(lines.toSpliced(at, 0, foreign).join("\n"));
    expect(ping!.queued!.pid).toBe(SENDER);
    expect(ping!.events).toEqual(pings(text)[0]!.events);
  });

  it("what an interrupt brings in the sender's context is not taken for it", () => {
    const foreign = `  node-${SENDER} [001] b.s2. 37287.870240: netif_rx: dev=lo skbaddr=77 len=52`;
    const lines = text.split("\n");
    const at = lines.findIndex((one) => one.includes("net_dev_queue: "));
    const stories = pings(lines.toSpliced(at, 0, foreign).join("\n"));
    expect(broken(pingClaims(stories, RULES))).toEqual([]);
  });

  it("is drawn with a column for each CPU and context", () => {
    expect(timelineLines(pings(text)[0]!.events)).toEqual(LOOPBACK);
  });

  it("came to its receive through the enabling of softirqs, in one send", () => {
    const chain = callChain(pings(text)[0]!.received!.stack).join(" ");
    expect(chain).toContain("raw_sendmsg > ip_push_pending_frames");
    expect(chain).toMatch(/__local_bh_enable_ip > do_softirq > handle_softirqs > net_rx_action/);
    expect(chain).not.toContain("trace_event_raw");
  });
});

describe("a ping that is steered", () => {
  const text = recorded("loopback-steered");

  it("3.5 #13 is received on the other CPU, over whatever runs there", () => {
    const stories = pings(text);
    expect(stories[0]!.received).toMatchObject({ cpu: 0, pid: 11255 });
    expect(broken(steeredClaims(stories, 0))).toEqual([]);
    expect(broken(pingClaims(stories, RULES))).toHaveLength(2);
  });

  it("is no steered one when the receive stays where it was sent", () => {
    expect(broken(steeredClaims(pings(recorded("loopback")), 0))).toHaveLength(2);
  });

  it("is drawn with the softirq of the sender, which only wakes the other CPU", () => {
    const lines = timelineLines(pings(text)[0]!.events);
    expect(lines[0]).toMatch(/CPU 1 task.*CPU 1 softirq.*CPU 0 softirq, thread 11255/);
    expect(lines.filter((one) => one.includes("NET_RX begins"))).toHaveLength(2);
  });
});

describe("a write to a TAP", () => {
  const text = recorded("tap");

  it("3.5 #12 receives and answers inside of write(): flag b, and no softirq", () => {
    const stories = writes(text);
    expect(stories).toHaveLength(2);
    expect(stories.map(({ softirqs }) => softirqs)).toEqual([0, 0]);
    expect(broken(writeClaims(stories, 2, RULES))).toEqual([]);
  });

  it.each([
    ["it was no softirq", "b.... 37288.767413", "b.s1. 37288.767413"],
    ["softirqs were off (flag b)", "b.... 37288.767413", "..... 37288.767413"],
  ])("%s: no, where the trace says otherwise", (claim, from, to) => {
    expect(text).toContain(from);
    expect(broken(writeClaims(writes(text.replace(from, to)), 2, RULES))).toEqual([claim]);
  });

  it("a softirq between receive and answer is counted", () => {
    const lines = text.split("\n");
    const at = lines.findIndex((one) => one.includes("net_dev_queue:"));
    const softirq = "  node-11306 [001] ..s1. 37288.767420: softirq_entry: vec=3 [action=NET_RX]";
    const [first] = writes(lines.toSpliced(at, 0, softirq).join("\n"));
    expect(first!.softirqs).toBe(1);
  });

  it("a frame that is not received in its write is missed", () => {
    const claims = writeClaims(writes(text), 3, RULES);
    expect(broken(claims)).toEqual([
      "the frame was received inside of write(), in the writer's context",
    ]);
  });

  it("an answer that leaves on another device is none", () => {
    const other = text.replaceAll("net_dev_xmit: dev=tap0", "net_dev_xmit: dev=tap1");
    expect(writes(other).map(({ replied }) => replied)).toEqual([null, null]);
  });
});

describe("what kernels do, by version", () => {
  it.each([
    ["4.8.0", true, false],
    ["4.9.0", false, false],
    ["4.11.0", false, true],
    ["5.17.9", false, true],
    ["6.4.16", false, true],
    ["6.5.0-rc1", true, true],
    ["6.18.44-fc-v657", true, true],
  ])("%s: always inline %s, a TAP receives in write() %s", (text, inline, direct) => {
    const version = kernelVersion(text);
    const { alwaysInline, tapReceivesInWrite } = receiveRules(version);
    expect([alwaysInline, tapReceivesInWrite]).toEqual([inline, direct]);
    expect(loopbackNotes(version)[0]).toContain(`Linux ${version.major}.${version.minor}`);
    expect(tapNotes(version)[0]).toContain(direct ? "netif_receive_skb" : "netif_rx_ni");
  });

  it.each([
    ["5.17.15", false],
    ["5.18.0", true],
  ])("%s: traces tell softirqs off: %s", (text, tells) => {
    const rules = receiveRules(kernelVersion(text));
    expect(rules.tracesSoftirqsOff).toBe(tells);
    const flagged = pingClaims(pings(recorded("loopback")), rules).map(({ claim }) => claim);
    expect(flagged.some((claim) => claim.includes("flag b"))).toBe(tells);
    const leftOut = loopbackNotes(kernelVersion(text)).some((note) => note.includes("Left out"));
    expect(leftOut).toBe(!tells);
  });
});

describe("a backlog that overflows", () => {
  const round = { written: 60_062, given: 60_062, pieces: 1251, received: 1001, counted: 250 };
  const quiet = { ...round, waiting: 0 };

  it("3.5 #10 takes its limit and one, undisturbed exactly so many", () => {
    expect(broken(backlogClaims([quiet, quiet], 1000, 1251))).toEqual([]);
  });

  it.each([
    ["write() returned", { written: -105 }],
    ["the packet became 1251 pieces", { pieces: 1250, counted: 249 }],
    ["the backlog took no more", { received: 1002, counted: 300 }],
    ["undisturbed, it took exactly", { received: 1000, counted: 251 }],
  ])("%s: no, where the counters say otherwise", (claim, wrong) => {
    const claims = broken(backlogClaims([quiet, { ...quiet, ...wrong }], 1000, 1251));
    expect(claims).toHaveLength(1);
    expect(claims[0]).toContain(claim);
  });

  it("that others use meanwhile is not held against the exact number", () => {
    const others = { ...round, received: 990, counted: 261, waiting: 11 };
    const dropping = { ...round, received: 995, counted: 280, waiting: 0 };
    const claims = backlogClaims([others, dropping, quiet], 1000, 1251);
    expect(broken(claims)).toEqual([]);
    expect(claims.at(-1)).toMatchObject({ holds: 1, of: 1 });
  });

  it("whose limit no packet can reach is named, and not changed", () => {
    expect(piecesFor(1000)).toBe(1251);
    expect(() => piecesFor(5000)).toThrow("netdev_max_backlog is 5000; one packet fills at most");
  });
});

describe("claims", () => {
  it("of nothing at all do not hold", () => {
    expect(claimOf("it rains", [], () => true)).toMatchObject({ of: 0, asExpected: false });
    expect(claimLine(claimOf("it rains", [], () => true))).toContain("no, 0 of 0");
  });

  it("that were predicted and did not hold say so", () => {
    expect(claimLine(claimOf("it rains", [1, 2], (one) => one === 1))).toBe(
      " it rains: no, 1 of 2   NOT AS EXPECTED",
    );
  });
});

const LOOPBACK = [
  "      us  flags  CPU 1 task, thread 11295 | CPU 1 softirq, thread 11295",
  "       0  .....  sendto() begins          |",
  "      14  b....  lo: to be transmitted    |",
  "      18  b....  lo: into a backlog       |",
  "      21  D..1.  NET_RX raised            |",
  "      24  b....  lo: transmitted          |",
  "      27  ..s1.                           | NET_RX begins",
  "      30  ..s1.                           | lo: received",
  "      38  b.s2.                           | lo: to be transmitted",
  "      42  b.s2.                           | lo: into a backlog",
  "      46  b.s2.                           | lo: transmitted",
  "      50  ..s1.                           | lo: received",
  "      53  ..s1.                           | backlog worked off: 2",
  "      57  ..s1.                           | NET_RX ends",
  "      60  .....  sendto() returns 16      |",
];
