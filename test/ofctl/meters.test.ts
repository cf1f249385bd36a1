// Meter text: canonical printing and Open vSwitch 3.1's own sentences, as ovs-ofctl 3.1.0 and its
// switch gave them.
import { describe, expect, it } from "vitest";
import { PacketpathError } from "../../src/base/errors.js";
import {
  checkMeterMod,
  formatDumpMeters,
  formatMeterMod,
  METER_ALL,
  meterOfMod,
  parseMeterMod,
  type MeterCommand,
} from "../../src/ofctl/meters.js";

/** Text of add-meter, and the sentence, the switch's error, or the meter mod. */
const RECORDED: readonly (readonly [string, string])[] = [
  ["meter=2", "must specify bands"],
  ["meter=2,kbps,band", "must specify bands"],
  ["meter=5,foo", "must specify bands"],
  ["meter=2,kbps,bands=", "meter must have bands"],
  ["kbps,bands=type=drop,rate=5", "must specify 'meter'"],
  ["meter=0,kbps,bands=type=drop,rate=5", "invalid value for meter"],
  ["meter=4294901761,kbps,bands=type=drop,rate=5", "invalid value for meter"],
  ["meter=x,kbps,bands=type=drop,rate=5", "invalid numeric format x"],
  ["meter=5,bands=type=drop,rate=5", "meter must specify either 'kbps' or 'pktps'"],
  ["meter=5,foo=3,kbps,bands=type=drop,rate=5", "unknown keyword foo"],
  ["meter=5,foo,kbps,bands=type=drop,rate=5", "unknown keyword foo"],
  ["meter=6,kbps,bands=type=foo,rate=5", "field type unknown value foo"],
  ["meter=6,kbps,bands=rate=5", "band must start with the 'type' keyword"],
  ["meter=6,kbps,bands=type=drop", "band must have 'rate'"],
  ["meter=10 kbps bands=type=drop rate=0", "band must have 'rate'"],
  ["meter=6,kbps,bands=type=drop,rate=x", "invalid numeric format x"],
  ["meter=6,kbps,bands=type=drop,rate=5,burst_size=x", "invalid numeric format x"],
  ["meter=6,kbps,bands=type=drop,rate=5,foo=3", "unknown keyword foo"],
  ["meter=6,kbps,bands=type=drop,rate", "field rate missing value"],
  [
    "meter=6,kbps,bands=type=drop,rate=5,prec_level=3",
    "Only 'dscp_remark' band may have 'prec_level'",
  ],
  [
    "meter=3 pktps burst stats bands=type=drop rate=5 burst_size=3,type=drop,rate=9",
    "band must have 'burst_size' when 'burst' flag is set",
  ],
  [
    "meter=11 kbps burst bands=type=drop rate=5 burst_size=0",
    "band must have 'burst_size' when 'burst' flag is set",
  ],
  [
    "meter=9,kbps,bands=type=drop,rate=5,burst_size=3",
    "band may have 'burst_size' only when 'burst' flag is set",
  ],
  ["meter=5,kbps,pktps,bands=type=drop,rate=5", "OFPMMFC_BAD_FLAGS"],
  ["meter=5,stats,bands=type=drop,rate=5", "OFPMMFC_BAD_FLAGS"],
  ["meter=all,kbps,bands=type=drop,rate=5", "OFPMMFC_INVALID_METER"],
  ["meter=2,kbps,band=type=drop,rate=5", "ADD meter=2 kbps bands=\ntype=drop rate=5"],
  [
    "meter=3 pktps burst stats bands=type=drop rate=5 burst_size=3",
    "ADD meter=3 pktps burst stats bands=\ntype=drop rate=5 burst_size=3",
  ],
  [
    "meter=12 kbps bands=type=drop rate=5,rate=6,type=drop,rate=7",
    "ADD meter=12 kbps bands=\ntype=drop rate=6\ntype=drop rate=7",
  ],
  [
    "meter=slowpath,kbps,bands=type=drop,rate=5",
    "ADD meter=slowpath kbps bands=\ntype=drop rate=5",
  ],
  // In words of our own: Open vSwitch's switch refuses this band.
  [
    "meter=7,kbps,bands=type=dscp_remark,rate=5,prec_level=3",
    "dscp_remark: this band is not supported here",
  ],
];

function outcome(text: string, command: MeterCommand): string {
  try {
    const mod = parseMeterMod(text, command);
    return checkMeterMod(mod) ?? formatMeterMod(mod);
  } catch (error) {
    if (error instanceof PacketpathError && error.code === "FLOW_INVALID") return error.message;
    throw error;
  }
}

describe("meter text", () => {
  it.each(RECORDED)("%s", (text, expected) => {
    expect(outcome(text, "add")).toBe(expected);
  });

  it.each([
    ["delete", "meter=x", "invalid numeric format x"],
    ["delete", "foo", "field foo missing value"],
    ["query", "kbps", "field kbps missing value"],
    ["query", "3", "field 3 missing value"],
    [
      "modify",
      "meter=3,kbps,bands=type=drop,rate=77",
      "MOD meter=3 kbps bands=\ntype=drop rate=77",
    ],
  ] as const)("%s %s", (command, text, expected) => {
    expect(outcome(text, command)).toBe(expected);
  });

  it("meter=all is every meter where meters are asked for or deleted", () => {
    expect(parseMeterMod("meter=all", "delete").meter).toBe(METER_ALL);
    expect(parseMeterMod("meter=all", "query").meter).toBe(METER_ALL);
  });

  it("a dump as Open vSwitch 3.1.0 printed it, and its meters read back", () => {
    const texts = [
      "meter=1 kbps bands=\ntype=drop rate=5",
      "meter=12 pktps burst stats bands=\ntype=drop rate=6 burst_size=2" +
        "\ntype=drop rate=7 burst_size=1",
      "meter=controller kbps bands=\ntype=drop rate=5",
    ];
    const meters = texts.map((text) => meterOfMod(parseMeterMod(text, "add")));
    expect(formatDumpMeters(meters)).toBe(
      `OFPST_METER_CONFIG reply (OF1.3) (xid=0x2):\n${texts.join("\n\n")}\n`,
    );
    expect(formatDumpMeters([])).toBe("OFPST_METER_CONFIG reply (OF1.3) (xid=0x2):\n");
  });
});
