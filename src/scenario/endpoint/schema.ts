// What a user may write in a scenario of an endpoint: how it is attached and detached, and the
// verdict that each of its designs must come to. Data; any thread.
import { z } from "zod";
import { VERDICTS } from "../types.js";
import { headFields } from "../head.js";

export const DESIGN_NAMES = ["fixed", "buggy"] as const;

function whole(least: number, most: number, description: string) {
  return z.int().min(least).max(most).meta({ description });
}

const flood = z.strictObject({
  flows: whole(1, 4096, "Source ports, hence flows.").default(64),
  ratePerSecond: whole(0, 10_000_000, "Datagrams per second; 0: unlimited.").default(0),
  payloadBytes: whole(1, 1472, "Bytes of each datagram behind the UDP header.").default(64),
});

const stopWithinMs = z
  .strictObject({
    idle: z.number().min(0.001).max(60_000).default(50),
    flood: z.number().min(0.001).max(60_000).default(200),
  })
  .meta({ description: "99 of 100 stops end within this, without traffic and under the flood." });

const endpoint = z.strictObject({
  design: z
    .enum(DESIGN_NAMES)
    .default("fixed")
    .meta({
      description:
        "fixed: the lock is given back before the loops are waited for. buggy: after that, which " +
        "deadlocks.",
    }),
  queues: whole(1, 64, "Queues of the device, each with its dispatch loop.").default(4),
  txQueueLen: whole(1, 100_000, "Frames that a queue holds.").default(500),
  idleCycles: whole(0, 1_000_000, "Times it is attached and detached without traffic.").default(
    100,
  ),
  cycles: whole(0, 1_000_000, "Times it is attached and detached under the flood.").default(1000),
  packetsPerCycle: whole(
    1,
    1_000_000,
    "Under the flood it is detached when so many packets have been read since the Attach.",
  ).default(50),
  flood: flood.default({ flows: 64, ratePerSecond: 0, payloadBytes: 64 }),
  stopWithinMs: stopWithinMs.default({ idle: 50, flood: 200 }),
});

export const endpointSchema = z
  .strictObject({
    ...headFields,
    endpoint,
    expect: z
      .strictObject({
        fixed: z.enum(VERDICTS).default("SAFE"),
        buggy: z.enum(VERDICTS).default("DEADLOCK"),
      })
      .default({ fixed: "SAFE", buggy: "DEADLOCK" })
      .meta({ description: "What a run of each design must come to." }),
  })
  .meta({ title: "packetpath scenario of an endpoint" });

/** A checked scenario of an endpoint, with every default filled in. */
export interface EndpointScenario extends z.output<typeof endpointSchema> {
  /** The file it came from, as the user named it. */
  readonly file: string;
}
