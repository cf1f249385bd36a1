// What a user may write about the load balancer behind a port of kind `balancer`. Part of
// ../schema.ts; any thread.
import { z } from "zod";
import {
  MODES,
  PROTOCOLS,
  SCHEDULERS,
  SERVERS_MAX,
  SERVICES_MAX,
  TOA_SETTINGS,
} from "../../balancer/types.js";

const port = z.int().min(1).max(65_535);
const address = z.string().min(2).max(45);

export const server = z.strictObject({
  address: address.meta({ description: "An address of one of the scenario's ports." }),
  port: port.optional().meta({ description: "Default: the service's." }),
  weight: z.int().min(0).max(256).default(1).meta({
    description: "Share of the connections (0 to 256); 0: no new ones.",
  }),
});

export const service = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/, "expected 1 to 32 of A-Z a-z 0-9 _ . -")
    .meta({ description: "By which a load names it as its target." }),
  address: address.meta({ description: "The virtual address; the balancer answers for it." }),
  port,
  protocol: z.enum(PROTOCOLS).default("tcp"),
  mode: z.enum(MODES).default("fullnat").meta({
    description:
      "fullnat: both addresses are replaced; nat: the destination; dr: the destination's MAC.",
  }),
  scheduler: z.enum(SCHEDULERS).default("rr").meta({
    description: "rr: in turn; wrr: by weight; hash: by the client's address.",
  }),
  toa: z
    .enum(TOA_SETTINGS)
    .optional()
    .meta({
      description:
        "fullnat only: whether servers are told the client's address (TOA, UOA), and in which " +
        "dialect; default: dpvs.",
    }),
  servers: z.array(server).min(1).max(SERVERS_MAX),
});

export const balancer = z
  .strictObject({
    port: z.string().min(1).max(15).meta({ description: "A port of kind balancer." }),
    mac: z
      .string()
      .regex(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, "expected six hex pairs: 02:00:00:00:00:01")
      .default("02:6c:62:00:00:01"),
    services: z.array(service).min(1).max(SERVICES_MAX),
    local: z
      .strictObject({
        addresses: z.array(address).max(64).default([]),
        ports: z
          .tuple([port, port])
          .default([1024, 65_535])
          .meta({ description: "First and last local port." }),
      })
      .default({ addresses: [], ports: [1024, 65_535] })
      .meta({ description: "Where fullnat connections come from, as servers see it." }),
    connectionsMax: z.int().min(1).max(262_144).default(16_384).meta({
      description: "Connections at a time (1 to 262,144).",
    }),
  })
  .meta({ description: "A load balancer of layer 4: virtual services and their real servers." });

export type BalancerText = z.output<typeof balancer>;
