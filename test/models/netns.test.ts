// Namespaces that are created, fail on the way, and are taken back; by each order and each failure.
import { describe, expect, it } from "vitest";
import { netns } from "../../src/models/netns/variants.js";
import { decide, storyOf, testVariants, verdictWith } from "./decide.js";

describe("4.2 orders of pernet operations", () => {
  testVariants(netns, {
    "N-A0": "SAFE",
    "N-A1": "NULL-DEREF",
    "N-A2": "NULL-DEREF",
    "N-A3": "NULL-DEREF",
    "N-Ar": "NULL-DEREF",
    "N-A-one": "SAFE",
    "N-AF": "SAFE",
    "N-B": "NULL-DEREF",
    "N-B2": "CORRUPTION",
    "N-BF": "SAFE",
    "N-C": "USE-AFTER-FREE",
    "N-CF": "SAFE",
    "N-D": "USE-AFTER-FREE",
    "N-DF": "SAFE",
    "N-E": "ASSERT",
    "N-F": "SAFE",
    "N-W": "NULL-DEREF",
    "N-Wf": "SAFE",
    "N-G": "DEADLOCK",
    "N-GF": "SAFE",
    churn: "SAFE",
    "churn-unlocked": "ASSERT",
    "churn-forward": "ASSERT",
    held: "SAFE",
    unheld: "USE-AFTER-FREE",
  });
});

/** All orders of a list. */
function orders(list: readonly string[]): string[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((one) => {
    const rest = list.filter((other) => other !== one);
    return orders(rest).map((order) => [one, ...order]);
  });
}

describe("4.5 what can be checked by exploring", () => {
  it("1 N-A: with two CPUs, one fault and no switch, in the old order only", async () => {
    expect(await verdictWith(netns, "N-A1", { cpus: 2 })).toBe("NULL-DEREF");
    expect(await verdictWith(netns, "N-A1", { cpus: 1, fails: "any" })).toBe("NULL-DEREF");
    // One CPU has no socket to close, but ip6mr can fail behind it.
    expect(await verdictWith(netns, "N-A1", { cpus: 1, fails: "icmpv6 0" })).toBe("SAFE");
    const order = ["inet6", "ip6mr", "icmpv6", "ndisc", "igmp6", "addrconf"];
    expect(await verdictWith(netns, "N-A1", { order })).toBe("SAFE");
    const steps = await storyOf(netns, "N-A1");
    expect(steps.slice(-2)).toEqual(["unshare: ld tables = 0", "unshare: ld of NULL"]);
  });

  it("2 the repaired order, with four CPUs: each allocation fails in turn", async () => {
    expect(await verdictWith(netns, "N-AF", { cpus: 4 })).toBe("SAFE");
    expect(await verdictWith(netns, "N-DF", { cpus: 4 })).toBe("SAFE");
    const { result } = await decide(netns, "N-DF");
    // Ten allocations can fail, or none.
    expect(result.interleavings).toBe("11");
  });

  it("3 N-B: with the repaired labels any step may fail", async () => {
    expect(await verdictWith(netns, "N-BF", { debugList: false })).toBe("SAFE");
    expect(await verdictWith(netns, "N-B", { steps: ["family", "inet6"] })).toBe("SAFE");
  });

  it("4 N-C fails when nothing else does; N-D only after a failure", async () => {
    expect(await verdictWith(netns, "N-C", { exitsEarly: false })).toBe("SAFE");
    expect(await verdictWith(netns, "N-D", { fails: "none" })).toBe("SAFE");
  });

  it("5 N-W: the sysctl changes no verdict; leaving the stack out does", async () => {
    for (const { id, file, verdict } of netns.variants) {
      if (file !== undefined) continue;
      expect([id, await verdictWith(netns, id, { disableIpv6: true })]).toEqual([id, verdict]);
    }
  });

  it("13 two creators, a worker and a registration: exits are the reverse of inits", async () => {
    expect(await verdictWith(netns, "churn", { isHeld: true })).toBe("SAFE");
    expect(await verdictWith(netns, "churn", { reverses: false })).toBe("ASSERT");
    expect(await verdictWith(netns, "churn", { locks: false })).toBe("ASSERT");
  });

  it("15 an order is safe when who closes sockets comes after whose list that walks", async () => {
    // The general rule, held against exploring for all orders of four operations.
    const closers = ["icmpv6", "igmp6"];
    for (const order of orders(["ip6mr", "icmpv6", "igmp6", "addrconf"])) {
      const isRight = closers.every((one) => order.indexOf(one) > order.indexOf("ip6mr"));
      const verdict = await verdictWith(netns, "N-AF", { order });
      expect([order, verdict]).toEqual([order, isRight ? "SAFE" : "NULL-DEREF"]);
    }
  });
});
