// What a user may write in a scenario file: the zod schema, one strict object per part. Each field
// has a sentence; the sentences become the JSON schema that editors show (`packetpath schema`).
// Everything is optional here that has a default; `parse.ts` fills in and checks what spans fields.
import { z } from "zod";
import { balancer } from "./balancer/schema.js";
import { bridge, portSettings, portVlan } from "./bridge/schema.js";
import { endpointSchema } from "./endpoint/schema.js";
import { modelSchema } from "./model/schema.js";
import { expandRange } from "./check/addresses.js";
import {
  FAULT_KINDS,
  PORT_KINDS,
  PROFILES,
  VERDICTS,
  type Scenario as ResolvedScenario,
} from "./types.js";
import { headFields } from "./head.js";

/** A checked scenario, with every default filled in. */
export type Scenario = ResolvedScenario;

const deviceName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/, "expected 1 to 15 of A-Z a-z 0-9 _ . -")
  .meta({ description: "An interface name, 1 to 15 characters (IFNAMSIZ - 1)." });
const namespaceName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/, "expected 1 to 32 of A-Z a-z 0-9 _ . -");
const guardName = z.string().min(1).max(1024);

function whole(least: number, most: number, description: string) {
  return z.int().min(least).max(most).meta({ description });
}
function milliseconds(least: number, most: number, description: string) {
  return z.number().min(least).max(most).meta({ description });
}

const queues = whole(1, 256, "Queues of the device and of its real peer (1 to 256).");
const mtu = whole(68, 65521, "MTU in bytes (68 to 65521).");
const txQueueLen = whole(1, 100_000, "Frames that a queue holds before the kernel drops silently.");
const offloads = z.boolean().meta({
  description: "Checksum offload and TSO: 64 KB super-frames cross the switch whole.",
});
const udpOrTcpPort = whole(1, 65535, "Port number, 1 to 65535.");

const defaults = z
  .strictObject({
    queues: queues.default(4),
    mtu: mtu.default(1500),
    txQueueLen: txQueueLen.default(1000),
    offloads: offloads.default(true),
  })
  .meta({ description: "What ports have that do not say otherwise." });

const port = z.strictObject({
  name: deviceName,
  number: whole(1, 1023, "OpenFlow port number; default: the next free one.").optional(),
  kind: z
    .enum(PORT_KINDS)
    .default("veth")
    .meta({ description: "Kind of the OVS-side device; it decides stop, xmit and carrier." }),
  namespace: namespaceName
    .optional()
    .meta({ description: "Where the peer lives (veth, tun and internal)." }),
  device: deviceName.default("eth0").meta({ description: "Name of the peer in its namespace." }),
  queues: queues.optional(),
  addresses: z
    .array(z.string())
    .max(16)
    .default([])
    .transform((texts) => texts.flatMap(expandRange))
    .meta({
      description:
        'Addresses of the peer with prefix length: "10.0.0.1/24", "fd00::1/64"; or a range of ' +
        'them: "10.0.1.1-10.0.1.200/16".',
    }),
  gateways: z.array(z.string()).max(2).default([]).meta({
    description: "Default routes of the peer, at most one for each IP version.",
  }),
  mac: z
    .string()
    .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, "expected six hex pairs: 02:00:00:00:00:01")
    .optional(),
  mtu: mtu.optional(),
  txQueueLen: txQueueLen.optional(),
  offloads: offloads.optional(),
  lower: deviceName.optional().meta({
    description: "bond, macvlan, vxlan: name of the port below, which is then no bridge port.",
  }),
  capture: z.boolean().default(false).meta({ description: "Write a pcapng file of this port." }),
  vlan: portVlan.optional(),
  settings: portSettings,
});

const http = z.strictObject({
  from: namespaceName,
  to: namespaceName.meta({ description: "A namespace, or a service of the balancer." }),
  port: udpOrTcpPort.optional().meta({ description: "Default: 8080; a service has its own." }),
  requests: whole(1, 100_000, "Requests in all, each on a connection of its own."),
  holdUntilInFlight: whole(
    0,
    100_000,
    "The server answers nothing until so many requests are in flight; 0: at once.",
  ).default(0),
  concurrency: whole(0, 100_000, "At most so many at once; 0: all.").default(0),
  timeoutMs: milliseconds(1, 600_000, "A request without an answer has then failed.").default(
    10_000,
  ),
  bodyBytes: whole(0, 1_048_576, "Length of each answer's body.").default(256),
  sources: whole(
    0,
    1024,
    "Addresses that requests come from in turn; 0: as the kernel chooses.",
  ).default(0),
});
const bystander = z.strictObject({
  from: namespaceName,
  to: namespaceName,
  port: udpOrTcpPort.default(8090),
  intervalMs: milliseconds(1, 60_000, "From one request's start to the next.").default(20),
  timeoutMs: milliseconds(1, 600_000, "A request without an answer has then failed.").default(5000),
  bodyBytes: whole(0, 1_048_576, "Length of each answer's body.").default(64),
});
const flood = z.strictObject({
  from: namespaceName,
  to: z.string().min(1).meta({ description: "A namespace, or an address." }),
  port: udpOrTcpPort.default(9),
  flows: whole(1, 16_384, "Source ports, hence flows.").default(64),
  ratePerSecond: whole(0, 10_000_000, "Datagrams per second; 0: unlimited.").default(10_000),
  payloadBytes: whole(1, 65_507, "Bytes of each datagram behind the UDP header.").default(64),
});
const ping = z.strictObject({
  from: namespaceName,
  to: z.string().min(1).meta({ description: "A namespace, or an address." }),
  count: whole(1, 100_000, "Echo requests.").default(10),
  intervalMs: milliseconds(1, 60_000, "From one echo request to the next.").default(100),
  timeoutMs: milliseconds(1, 60_000, "An echo without a reply is then lost.").default(1000),
});
const load = z.strictObject({
  http: http.optional(),
  bystander: bystander.optional(),
  flood: z.array(flood).max(16).default([]),
  ping: z.array(ping).max(16).default([]),
});

const count = (what: string) => whole(0, 1_000_000_000, what).optional();
const at = z
  .strictObject({
    inFlight: count("So many requests are in flight at once."),
    requestsSent: count("So many requests have been started."),
    responses: count("So many complete responses have arrived."),
    framesSeen: count("So many frames have been read from ports."),
    afterMs: milliseconds(0, 3_600_000, "So long after the load has begun.").optional(),
  })
  .meta({ description: "When the fault happens: exactly one of these." });

const fault = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  target: z.string().min(1).optional().meta({
    description: "A namespace for netns-delete and outsider-netns-delete, otherwise a port.",
  }),
  at,
  repeat: z
    .strictObject({
      times: whole(1, 100_000, "How often in all."),
      everyMs: milliseconds(1, 600_000, "From one to the next."),
    })
    .optional(),
  leaseMs: milliseconds(1, 600_000, "The fault is undone after so long.").optional(),
  expectsEffect: z.boolean().default(true).meta({
    description: "A fault that touched no frame makes the run INVALID.",
  }),
  queues: z
    .union([
      queues,
      z
        .array(whole(0, 255, "A queue index."))
        .min(1)
        .max(256),
    ])
    .optional()
    .meta({ description: "shrink, grow: the new count; detach, attach: list of queue indexes." }),
  txQueueLen: txQueueLen.optional(),
  toNamespace: namespaceName.optional(),
  worker: whole(0, 127, "worker-stall: which worker, from 0.").optional(),
  stallMs: milliseconds(1, 600_000, "worker-stall: for how long.").optional(),
  periodMs: milliseconds(1, 60_000, "flap: one down and up.").optional(),
  count: whole(1, 100_000, "flap: how many times.").optional(),
});

/** The whole file. */
export const scenarioSchema = z
  .strictObject({
    ...headFields,
    profile: z
      .enum(PROFILES)
      .default("6.1")
      .meta({ description: "The kernel whose transmit path is emulated." }),
    guard: guardName.default("none").meta({
      description:
        "The test in do_output: none, carrier, running-carrier, running, registered, qcount, " +
        "or a module.",
    }),
    seed: whole(0, 0xffff_ffff, "Everything random comes from this number.").default(1),
    expect: z
      .record(guardName, z.enum(VERDICTS))
      .default({})
      .meta({ description: "Guard to verdict; `default` is for those not named (SAFE)." }),
    bridge: bridge.default(bridge.parse({})),
    balancer: balancer.optional(),
    workers: whole(1, 128, "Worker threads; default: the most queues of any port.").optional(),
    uso: z
      .boolean()
      .default(true)
      .meta({
        description:
          "Datagrams of one flow that leave together are written as one super-frame " +
          "(UDP segmentation offload). Off where a port is captured.",
      }),
    defaults: defaults.default({ queues: 4, mtu: 1500, txQueueLen: 1000, offloads: true }),
    namespaces: z.array(namespaceName).min(1).max(128),
    ports: z.array(port).min(1).max(128),
    flows: z.string().default("").meta({
      description: "ovs-ofctl flows, one a line; empty: one flow, actions=NORMAL.",
    }),
    load: load.default({ flood: [], ping: [] }),
    faults: z.array(fault).max(64).default([]),
    vswitchd: z
      .strictObject({
        dumpEveryMs: milliseconds(1, 60_000, "From one flow dump to the next."),
        dumpMs: milliseconds(0.01, 60_000, "How long a dump holds ovs_mutex."),
      })
      .optional(),
    watchdog: z
      .strictObject({
        threshSeconds: z
          .number()
          .min(0.1)
          .max(600)
          .default(2)
          .meta({ description: "A heartbeat that stands still for longer is a soft lockup." }),
        onLockup: z.enum(["end", "continue"]).default("end"),
      })
      .default({ threshSeconds: 2, onLockup: "end" }),
    settleMs: milliseconds(0, 600_000, "Traffic goes on for so long at the end.").default(300),
    durationMs: milliseconds(1, 3_600_000, "Least length of the run.").optional(),
  })
  .meta({ title: "packetpath scenario" });

/** The file's content after the schema's own checks, before names are resolved. */
export type ScenarioText = z.output<typeof scenarioSchema>;

/**
 * JSON Schema (draft 2020-12) of what may be written, here or in a scenario of a model or of an
 * endpoint; editors use it for completion.
 */
export function scenarioJsonSchema(): string {
  const schema = z.toJSONSchema(z.union([scenarioSchema, modelSchema, endpointSchema]), {
    io: "input",
  });
  return `${JSON.stringify(schema, null, 2)}\n`;
}
