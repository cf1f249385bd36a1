// The verdict of a run, each from evidence that was made up for it; and which evidence outweighs
// which: what was seen counts more than what was not.
import { describe, expect, it } from "vitest";
import type { LockupReport } from "../../src/report/types.js";
import { type Evidence, judge } from "../../src/scenario/record/record.js";

const CLEAN: Evidence = {
  guard: "running-carrier",
  lockups: [],
  ended: "complete",
  stuck: null,
  balanced: true,
  inFlight: { wanted: 3000, reached: 3000 },
  ineffective: null,
  leaks: { namespaces: 0, devices: 0, fds: 0, workers: 0 },
  windows: [],
  balancer: null,
};

const LOCKUP: LockupReport = {
  worker: "rxq3",
  cpu: 3,
  tid: 4711,
  seconds: 5.2,
  where: "skb_tx_hash",
  message: "watchdog: BUG: soft lockup - CPU#3 stuck for 5s! [rxq3:4711]",
  state: {
    device: "server",
    kind: "veth",
    realNumTxQueues: 0,
    regState: "unregistering",
    queueMapping: 5,
    recordedRxQueue: 4,
    hash: 4,
    qcount: 0,
    start: false,
    carrier: false,
    up: false,
  },
};
const window = { device: "server", port: 2, microseconds: 800, picksInWindow: 0 };

const verdictOf = (more: Partial<Evidence>) => judge({ ...CLEAN, ...more });

describe("SAFE", () => {
  it("of a run without a flaw", () => {
    expect(verdictOf({}).verdict).toBe("SAFE");
  });

  it("says how long the ports were open and that nobody went through", () => {
    const { why } = verdictOf({ windows: [window, { ...window, microseconds: 1200 }] });
    expect(why).toContain("2 ports");
    expect(why).toContain("1200 us");
    expect(why).toContain("no packet chose a queue");
  });

  it("says so when packets went through and came out again", () => {
    const { why } = verdictOf({ windows: [{ ...window, picksInWindow: 7 }] });
    expect(why).toContain("7 packets chose a queue in that time and none hung");
  });
});

describe("LOCKUP", () => {
  it("names worker, function, device, count, state and hint", () => {
    const { verdict, why } = verdictOf({ lockups: [LOCKUP] });
    expect(verdict).toBe("LOCKUP");
    for (const word of ["rxq3", "skb_tx_hash", "server", "unregistering", "0 transmit", "5"]) {
      expect(why).toContain(word);
    }
  });

  it("says how many more there are", () => {
    expect(verdictOf({ lockups: [LOCKUP, LOCKUP, LOCKUP] }).why).toContain("rxq3 and 2 more");
  });

  it("outweighs everything: a locked-up CPU is why the rest went wrong", () => {
    const wrong: Partial<Evidence> = {
      ended: "stuck",
      stuck: "delete-links",
      balanced: false,
      inFlight: { wanted: 3000, reached: 1 },
      ineffective: "the fault touched no frame",
      leaks: { namespaces: 1, devices: 1, fds: 1, workers: 1 },
    };
    expect(verdictOf({ ...wrong, lockups: [LOCKUP] }).verdict).toBe("LOCKUP");
  });
});

describe("DEADLOCK", () => {
  it("names the command that never came back", () => {
    const { verdict, why } = verdictOf({ ended: "stuck", stuck: "delete-netns" });
    expect(verdict).toBe("DEADLOCK");
    expect(why).toContain("delete-netns");
  });
});

describe("INVALID", () => {
  it.each<[string, Partial<Evidence>, string]>([
    ["an interrupted run", { ended: "interrupted" }, "interrupted"],
    ["a run that did not end", { ended: "overtime" }, "end"],
    ["books that do not balance", { balanced: false }, "balance"],
    ["too few in flight", { inFlight: { wanted: 3000, reached: 2999 } }, "2999 of 3000"],
    ["a fault that did nothing", { ineffective: "the fault flap x touched no frame" }, "no frame"],
  ])("is %s", (_name, more, word) => {
    const { verdict, why } = verdictOf(more);
    expect(verdict).toBe("INVALID");
    expect(why).toContain(word);
  });

  it("outweighs a leak: a run that showed nothing cannot show a leak either", () => {
    const leaks = { ...CLEAN.leaks, fds: 2 };
    expect(verdictOf({ balanced: false, leaks }).verdict).toBe("INVALID");
  });
});

describe("a load balancer", () => {
  const balancer = {
    connections: { added: 10, removed: 10, left: 0 },
    counts: {},
    untold: {},
    clients: { asked: 10, same: 10, different: 0 },
    receivers: [{ dialect: "dpvs", ip6_address_alloc: 10, ip6_address_free: 10 }],
  };

  it("is SAFE if each request came with its client's address, or nobody asks for a service", () => {
    const { verdict, why } = verdictOf({ balancer });
    expect(verdict).toBe("SAFE");
    expect(why).toContain("each of 10 requests");
    expect(verdictOf({ balancer: { ...balancer, clients: null } }).verdict).toBe("SAFE");
  });

  it.each([
    [{ asked: 10, same: 9, different: 1 }, "9 of 10 requests, with another 1"],
    [{ asked: 10, same: 9, different: 0 }, "9 of 10 requests, with another 0"],
    [{ asked: 0, same: 0, different: 0 }, "0 of 0"],
  ])("is ASSERT with %o", (clients, words) => {
    const { verdict, why } = verdictOf({ balancer: { ...balancer, clients } });
    expect(verdict).toBe("ASSERT");
    expect(why).toContain(words);
  });

  it("is a LEAK when connections, or entries of a receiver, are left", () => {
    const connections = { added: 10, removed: 9, left: 1 };
    expect(verdictOf({ balancer: { ...balancer, connections } }).verdict).toBe("LEAK");
    const receivers = [{ dialect: "dpvs", ip6_address_alloc: 10, ip6_address_free: 9 }];
    expect(verdictOf({ balancer: { ...balancer, receivers } }).verdict).toBe("LEAK");
  });
});

describe("LEAK", () => {
  it.each(["namespaces", "devices", "fds", "workers"] as const)("names %s", (what) => {
    const { verdict, why } = verdictOf({ leaks: { ...CLEAN.leaks, [what]: 2 } });
    expect(verdict).toBe("LEAK");
    expect(why).toBe(`left behind: 2 ${what}`);
  });
});
