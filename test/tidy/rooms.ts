// The rooms of src/ and what each may import, as data: the tidy test holds the import lines
// against it. The sentences are what a failure prints.

export interface Room {
  /** What the room is for; printed when an import breaks its rule. */
  readonly sentence: string;
  readonly mayImport: readonly string[];
}

const ALL_BUT_CLI = [
  "base",
  "wire",
  "sync",
  "path",
  "models",
  "explore",
  "flow",
  "ofctl",
  "classifier",
  "balancer",
  "datapath",
  "pipeline",
  "trace",
  "vswitch",
  "host",
  "worker",
  "fault",
  "load",
  "report",
];

/** `index` stands for src/index.ts, the library's door. */
export const ROOMS: Readonly<Record<string, Room>> = {
  base: { sentence: "clock, random, errno, errors; at the bottom of everything", mayImport: [] },
  wire: { sentence: "how bytes lie", mayImport: ["base"] },
  sync: { sentence: "the primitives that shared state is touched with", mayImport: ["base"] },
  path: { sentence: "the kernel's transmit and unregister path", mayImport: ["base", "sync"] },
  models: {
    sentence: "systems of threads over the path, and others on the same primitives",
    mayImport: ["base", "sync", "path"],
  },
  explore: { sentence: "runs programs under every schedule", mayImport: ["base", "sync"] },
  flow: { sentence: "fields, keys, masks", mayImport: ["base", "wire"] },
  ofctl: { sentence: "ovs-ofctl text in and out", mayImport: ["base", "flow"] },
  classifier: { sentence: "highest-priority match", mayImport: ["base", "flow"] },
  balancer: {
    sentence: "a load balancer: services, connections, translation; it never sees a port",
    mayImport: ["base", "wire", "sync"],
  },
  datapath: {
    sentence: "fast path; the miss handler is passed in, so it never sees the pipeline",
    mayImport: ["base", "wire", "sync", "path", "flow", "classifier"],
  },
  pipeline: {
    sentence: "slow path: tables, resubmit, NORMAL",
    mayImport: ["base", "wire", "flow", "classifier"],
  },
  host: { sentence: "the only room that makes system calls or spawns", mayImport: ["base"] },
  worker: {
    // The endpoint's threads run the explored functions of its model: one text for both.
    sentence: "the loop of one queue, heartbeat, watchdog, stop ladder",
    mayImport: [
      "base",
      "wire",
      "sync",
      "path",
      "models",
      "balancer",
      "flow",
      "classifier",
      "datapath",
      "pipeline",
      "host",
    ],
  },
  trace: {
    sentence: "what a translation did, in the layouts of Open vSwitch, and as JSON",
    mayImport: ["base", "wire", "flow", "ofctl", "classifier", "datapath", "pipeline"],
  },
  vswitch: {
    sentence: "the switch as Open vSwitch's tools see it: verbs, database, control socket",
    mayImport: ["base", "wire", "flow", "ofctl", "classifier", "datapath", "pipeline", "trace"],
  },
  fault: { sentence: "fault kinds and triggers", mayImport: ["base", "sync", "path", "host"] },
  load: {
    sentence: "load and servers; of the switch they know what toa.ko would tell a server",
    mayImport: ["base", "host", "balancer"],
  },
  observe: {
    sentence: "what the models say, looked at on the running kernel",
    mayImport: ["base", "wire", "models", "host", "report"],
  },
  vitest: { sentence: "matchers for tests of users", mayImport: ["base", "explore"] },
  report: { sentence: "reads, never steers", mayImport: ["base", "wire", "sync"] },
  scenario: { sentence: "YAML in, verdict out", mayImport: ALL_BUT_CLI },
  cli: {
    sentence: "commands, exit codes, help",
    mayImport: [...ALL_BUT_CLI, "scenario", "observe"],
  },
  index: { sentence: "the library's door", mayImport: [...ALL_BUT_CLI, "scenario"] },
};

/**
 * Imports outside the table that are meant, each with its reason. A listed import that no longer
 * exists fails the test too.
 */
export const IMPORT_EXCEPTIONS: Readonly<Record<string, string>> = {
  "src/fault/plan.ts -> src/worker/control/control-commands.ts":
    "types only: a fault is a list of the control thread's commands",
};

/** Rooms that run in any JavaScript engine: no `node:` import, no `process`, no `Buffer`. */
export const ENGINE_ONLY = [
  "wire",
  "balancer",
  "flow",
  "classifier",
  "ofctl",
  "path",
  "models",
  "trace",
];

/** Files that are doors of the package (its `exports`), hence allowed to be called index.ts. */
export const DOORS = [
  "src/index.ts",
  "src/sync/index.ts",
  "src/explore/index.ts",
  "src/vitest/index.ts",
];

/**
 * What reaches the kernel beside Node itself, and the rooms that may load it. Models write their
 * programs as users do, for the door of the explorer; behind it lies a room that knows no model.
 */
export const SYSTEM_MODULES: Readonly<Record<string, readonly string[]>> = {
  "packetpath/explore": ["models"],
  koffi: [],
  "@packetpath/libc": ["host", "load"],
  tuntap2: ["host"],
  cap: ["host"],
  "raw-socket": ["host"],
  "node:child_process": ["host"],
};

/** Rooms whose files may import each other in circles, with the reason. */
export const CYCLIC_ROOMS: Readonly<Record<string, string>> = {
  path: "its functions call each other as the kernel's do, across the kernel's own files",
};
