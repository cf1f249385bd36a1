// What a user may write about the switch itself and about how its ports switch: VLANs, mirrors, the
// MAC table. The names are those of Open vSwitch (ovs-vswitchd.conf.db(5)), in camel case. Part of
// ../schema.ts; any thread.
import { z } from "zod";
import { PRIORITY_TAGS, VLAN_MODES } from "../../pipeline/ports.js";

const vlanId = z.int().min(0).max(4095);
const vlanList = z.array(vlanId).max(4096);
const portName = z.string().min(1).max(15);

export const portVlan = z
  .strictObject({
    mode: z
      .enum(VLAN_MODES)
      .optional()
      .meta({ description: "Default: access if there is a tag, else trunk." }),
    tag: vlanId
      .optional()
      .meta({ description: "VLAN of an access port, native VLAN, or service VLAN (0 to 4095)." }),
    trunks: vlanList.optional().meta({
      description: "VLANs carried; dot1q-tunnel: customer VLANs. Default: all.",
    }),
    priorityTags: z.enum(PRIORITY_TAGS).default("never").meta({
      description: "When frames without a VLAN leave with a tag of VLAN 0.",
    }),
  })
  .meta({ description: "How the port carries VLANs; default: all of them, tagged." });

/** Settings that `ovs-ofctl mod-port` and other-config of a port make. */
export const PORT_SETTINGS = ["no-flood", "no-forward", "no-receive", "protected"] as const;

export const portSettings = z.array(z.enum(PORT_SETTINGS)).max(PORT_SETTINGS.length).default([]);

export const mirror = z.strictObject({
  name: z.string().min(1).max(64),
  selectAll: z.boolean().default(false).meta({ description: "All packets of all ports." }),
  sources: z.array(portName).max(128).default([]).meta({
    description: "Ports whose packets are copied as they come in.",
  }),
  destinations: z.array(portName).max(128).default([]).meta({
    description: "Ports whose packets are copied as they go out.",
  }),
  vlans: vlanList.default([]).meta({ description: "Only packets of these VLANs; empty: of all." }),
  outputPort: portName.optional().meta({
    description: "Where copies go; this port then takes no other traffic.",
  }),
  outputVlan: vlanId.optional().meta({ description: "The VLAN that copies are flooded in." }),
  snapLength: z.int().min(14).max(65_535).optional().meta({
    description: "Copies are cut to so many bytes.",
  }),
});

export const bridge = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/, "expected 1 to 15 of A-Z a-z 0-9 _ . -")
    .default("br0")
    .meta({ description: "An interface name, 1 to 15 characters (IFNAMSIZ - 1)." }),
  macTableSize: z.int().min(10).max(1_000_000).default(8192).meta({
    description: "MAC addresses learned at a time (10 to 1,000,000).",
  }),
  macAgingSeconds: z.int().min(15).max(3600).default(300).meta({
    description: "An address not seen for so long is forgotten (15 to 3600).",
  }),
  forwardBpdu: z.boolean().default(false).meta({
    description: "NORMAL forwards link-local destinations (01:80:c2:00:00:0x ...) too.",
  }),
  floodVlans: vlanList.default([]).meta({ description: "VLANs in which nothing is learned." }),
  mirrors: z.array(mirror).max(32).default([]),
});
