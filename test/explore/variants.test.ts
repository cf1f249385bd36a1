// Known variants of the path, each with the verdict that is known of it: the six of the headline
// race, five changes of the order of unregistration, five races that these functions have had.
// Variants are made by changing the text of one file; the change must apply exactly once.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decide, type Decision } from "../../src/explore/matrix/case.js";
import { type CellOptions, Cells } from "../../src/explore/system/cell.js";
import { loadGraph } from "../../src/explore/system/graph.js";

const BASE: CellOptions = {
  guard: "running-carrier",
  kind: "dummy",
  profile: "6.12",
  event: "link-delete",
  mappings: [
    [0, 3],
    [0, 3],
  ],
  queues: 2,
  underRcu: true,
};

/** A change of a file of the path: what is replaced, and by what. */
type Change = readonly [file: string, from: string, to: string];

function changed(changes: readonly Change[]): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [file, from, to] of changes) {
    const text = texts.get(file) ?? readFileSync(`src/${file}`, "utf8");
    expect(text.split(from), `${file}: ${from}`).toHaveLength(2);
    texts.set(file, text.replace(from, to));
  }
  return texts;
}

async function explore(
  options: Partial<CellOptions>,
  changes: readonly Change[] = [],
): Promise<Decision> {
  const graph = await loadGraph(null, changed(changes));
  return decide(new Cells(graph, null), { ...BASE, ...options });
}

const NO_GRACE_PERIOD: Change = [
  "explore/system/kernel-sync.ts",
  "const cpus = ld(HEADER.cpuCount);\n  const inside",
  "const cpus = ld(HEADER.cpuCount) * 0;\n  const inside",
];

describe("the six variants of the headline race", () => {
  it.each([
    ["V0 no guard", { guard: "none", kind: "veth" }, [], "LOCKUP", 1],
    ["V1 carrier, veth", { guard: "carrier", kind: "veth" }, [], "SAFE", null],
    ["V2 carrier, dummy", { guard: "carrier" }, [], "LOCKUP", 1],
    ["V3 running and carrier", {}, [], "SAFE", null],
    ["V4 V3 without grace periods", {}, [NO_GRACE_PERIOD], "LOCKUP", 2],
    ["V5 V3 with the guard outside of the read section", { underRcu: false }, [], "LOCKUP", 2],
  ] as const)("%s", async (_name, options, changes, verdict, switches) => {
    const found = await explore(options, changes);
    expect([found.verdict, found.failure?.switches ?? null]).toEqual([verdict, switches]);
    expect(found.failure?.minimal ?? true).toBe(true);
  });
});

const UNREGISTER = "path/core/unregister.ts";
const ZERO_EARLY: Change = [
  UNREGISTER,
  "  devCloseMany(k, devs);\n",
  "  for (let i = 0; i < devs.length; i++) netdevUnregisterKobject(k, devs[i]!);\n" +
    "  devCloseMany(k, devs);\n",
];
const UNPUBLISH_FIRST: readonly Change[] = [
  [
    UNREGISTER,
    "  netdevUnregisterKobject(k, dev);\n  netif",
    "  ovsDpNotifyWq(k);\n  synchronizeNet(k);\n  netdevUnregisterKobject(k, dev);\n  netif",
  ],
  [
    UNREGISTER,
    'import { devShutdown } from "./sch-generic.js";',
    'import { devShutdown } from "./sch-generic.js";\n' +
      'import { ovsDpNotifyWq } from "../openvswitch/dp-notify.js";',
  ],
];

describe("changes of the order of unregistration", () => {
  it.each([
    ["m1 no grace period", {}, [NO_GRACE_PERIOD], "LOCKUP"],
    [
      "m2 only the last grace period",
      {},
      [
        ["path/core/sch-generic.ts", "  synchronizeNet(k);\n  for", "  for"],
        [UNREGISTER, "grace2, NULL, 0, 0);\n  synchronizeNet(k);", "grace2, NULL, 0, 0);"],
        ["path/openvswitch/dp-notify.ts", "  synchronizeNet(k);\n  st(m, dev", "  st(m, dev"],
      ],
      "LOCKUP",
    ],
    ["m3 the count is zeroed before START is cleared", {}, [ZERO_EARLY], "LOCKUP"],
    ["m4 unpublished, waited, then zeroed", { guard: "none" }, UNPUBLISH_FIRST, "SAFE"],
    [
      "m5 the selector answers 0 at count 0",
      { guard: "none" },
      [
        [
          "path/core/pick-tx.ts",
          "  if (qcount === 0) warnQcount(k, dev);",
          "  if (qcount === 0) return 0;",
        ],
      ],
      "SAFE",
    ],
  ] as const)("%s", async (_name, options, changes, verdict) => {
    const found = await explore(options, changes as readonly Change[]);
    expect(found.verdict).toBe(verdict);
  });
});

const VPORT = "path/openvswitch/vport.ts";
const NO_PACKETS = { mappings: [[0]] };
/** A tunnel's destroy deletes its device as well; the todo list runs when RTNL is given back. */
const TUNNEL_DESTROY: Change = [
  VPORT,
  "    rtnlUnlock(k);\n  }\n  callRcu(m, RCU_CALLBACK.vportNetdevFree, vport);",
  "    unregisterNetdeviceMany(k, [dev]);\n    rtnlUnlock(k);\n  }\n" +
    "  callRcu(m, RCU_CALLBACK.vportNetdevFree, vport);",
];
const TUNNEL_DESTROY_FIXED: Change = [
  VPORT,
  "    rtnlUnlock(k);\n  }\n  callRcu(m, RCU_CALLBACK.vportNetdevFree, vport);",
  "    unregisterNetdeviceMany(k, [dev]);\n" +
    "    callRcu(m, RCU_CALLBACK.vportNetdevFree, vport);\n    rtnlUnlock(k);\n  }",
];
const IMPORT_UNREGISTER: Change = [
  VPORT,
  'import { ovsNetdevDetachDev } from "./dp-notify.js";',
  'import { ovsNetdevDetachDev } from "./dp-notify.js";\n' +
    'import { unregisterNetdeviceMany } from "../core/unregister.js";',
];
const RESET_FIRST: Change = [
  "path/core/queue-counts.ts",
  "  st(m, dev + DEV.realNumTxQueues, count);\n  trace",
  "  qdiscResetAllTxGt(k, dev, count);\n  st(m, dev + DEV.realNumTxQueues, count);\n  trace",
];
const NO_RESET_AFTER: Change = [
  "path/core/queue-counts.ts",
  "    synchronizeNet(k);\n    qdiscResetAllTxGt(k, dev, count);\n",
  "    synchronizeNet(k);\n",
];

describe("races that the same functions have had", () => {
  it.each([
    [
      "R1 the flag cleared first, and destroy without RTNL: the vport is freed under the detach",
      { event: "batch-delete", profile: "5.10-stable", ...NO_PACKETS },
      [],
      "USE-AFTER-FREE",
    ],
    [
      "R1 mended: the flag goes last",
      { event: "batch-delete", profile: "6.1-stable", ...NO_PACKETS },
      [],
      "SAFE",
    ],
    [
      "R2 a tunnel's destroy waits for a reference that is dropped only afterwards",
      { event: "del-port", kind: "vxlan", profile: "6.9", ...NO_PACKETS },
      [TUNNEL_DESTROY, IMPORT_UNREGISTER],
      "DEADLOCK",
    ],
    [
      "R2 mended: the callback is queued before RTNL is given back",
      { event: "del-port", kind: "vxlan", profile: "6.9", ...NO_PACKETS },
      [TUNNEL_DESTROY_FIXED, IMPORT_UNREGISTER],
      "SAFE",
    ],
    [
      "R3 a device becomes a port after its unregistration was announced",
      { event: "add-port", ...NO_PACKETS },
      [],
      "DEADLOCK",
    ],
    [
      "R3 mended: only registered devices are linked",
      { event: "add-port", profile: "current", ...NO_PACKETS },
      [],
      "SAFE",
    ],
    ["R4 a traffic class before its queues", { event: "tc-remap", profile: "5.10" }, [], "LOCKUP"],
    ["R4 mended: a class without queues falls back to all", { event: "tc-remap" }, [], "SAFE"],
    [
      "R5 queues reset before the smaller count is published",
      { event: "shrink", kind: "tun" },
      [RESET_FIRST, NO_RESET_AFTER],
      "ASSERT",
    ],
    ["R5 mended: published, waited, then reset", { event: "shrink", kind: "tun" }, [], "SAFE"],
  ] as const)("%s", async (_name, options, changes, verdict) => {
    const found = await explore(options, changes as readonly Change[]);
    expect(found.verdict).toBe(verdict);
  });
});
