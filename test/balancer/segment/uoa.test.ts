// A client's address beside a UDP datagram: in its packet, ahead of it, and taken out again. Read
// back by a reader that shares no code with it.
import { describe, expect, it } from "vitest";
import { refusalName } from "../../../src/balancer/segment/refusals.js";
import { newSegment, openSegment, sealSegment } from "../../../src/balancer/segment/segment.js";
import {
  blankUoas,
  insertUoa,
  putStandaloneUoa,
  takeUoa,
  type UoaForm,
} from "../../../src/balancer/segment/uoa.js";
import { type ClientAddress, newClientAddress } from "../../../src/wire/options/toa.js";
import { type FrameSpec, lay, type LaidFrame, v4, v6 } from "./frames.js";
import { readFrame, readVnet } from "./verify.js";

const V4_OPTION = "1f08d431c000020a";
const V6_OPTION = "1f1401bb20010db8000000000000000000000010";
const MTU = 1500;

function insert(spec: FrameSpec, form: UoaForm, client: ClientAddress = v4(), mtu = MTU) {
  const laid = lay({ protocol: "udp", ...spec });
  const before = laid.copy();
  const segment = newSegment();
  expect(refusalName(openSegment(segment, laid.frame, laid.floor))).toBe("none");
  const refusal = refusalName(insertUoa(segment, client, form, mtu));
  if (refusal === "none") sealSegment(segment);
  else expect(laid.copy()).toEqual(before);
  expect(laid.isGuarded()).toBe(true);
  return { laid, refusal, segment };
}

/** What the reader sees of the same frame without an address. */
const plain = (spec: FrameSpec) => lay({ protocol: "udp", ...spec }).read();

describe("in the datagram's packet", () => {
  const shapes: [string, FrameSpec][] = [
    ["a datagram", { payload: 31 }],
    ["with a vnet header", { vnet: "plain", payload: 32 }],
    ["with a partial checksum", { vnet: "partial", payload: 33 }],
    ["with IP options", { ipOptions: "94040000", payload: 3 }],
  ];

  it.each([...shapes, ["a super-frame", { vnet: "gso", payload: 30_000 }] as [string, FrameSpec]])(
    "as an IPv4 option: %s",
    (_name, spec) => {
      const { laid, refusal } = insert(spec, "option");
      expect(refusal).toBe("none");
      const before = plain(spec);
      expect(laid.read()).toEqual({
        ...before,
        between: V4_OPTION + before.between,
        packetBytes: before.packetBytes + 8,
      });
    },
  );

  it.each(
    shapes.flatMap(([name, spec]) => [4, 6].map((version) => [name, version, spec] as const)),
  )("in a header of protocol 248: %s, IPv%i", (_name, version, shape) => {
    const spec = { ...shape, version: version as 4 | 6 };
    const client = version === 4 ? v4() : v6();
    const { laid, refusal } = insert(spec, "protocol", client);
    expect(refusal).toBe("none");
    const before = plain(spec);
    const header = version === 4 ? `1011000c${V4_OPTION}` : `20110018${V6_OPTION}`;
    expect(laid.read()).toEqual({
      ...before,
      protocol: 248,
      between: before.between + header,
      packetBytes: before.packetBytes + header.length / 2,
    });
  });

  it("the vnet header follows: where the checksum begins, how long the headers are", () => {
    const vnetOf = ({ frame }: LaidFrame) => readVnet(frame.bytes.subarray(frame.vnetOffset));
    const spec: FrameSpec = { vnet: "gso", payload: 9000 };
    const before = vnetOf(lay({ protocol: "udp", ...spec }));
    const { headerBytes, checksumStart } = before;
    expect(vnetOf(insert(spec, "option").laid)).toEqual({
      ...before,
      headerBytes: headerBytes + 8,
      checksumStart: checksumStart + 8,
    });
  });
});

describe("refusals, with the packet untouched", () => {
  const nineWords = "01".repeat(36);

  it.each([
    ["none", { payload: 1500 - 28 - 8 }, "option", v4(), MTU],
    ["needs-fragment", { payload: 1500 - 28 - 7 }, "option", v4(), MTU],
    ["none", { payload: 1500 - 28 - 12 }, "protocol", v4(), MTU],
    ["needs-fragment", { payload: 1500 - 28 - 11 }, "protocol", v4(), MTU],
    ["no-room", { ipOptions: nineWords }, "option", v4(), MTU],
    ["no-buffer", { headroom: 11 }, "protocol", v4(), MTU],
    ["unknown-mtu", {}, "option", v4(), 0],
    ["no-such-form", {}, "option", v6(), MTU],
    ["no-such-form", { version: 6 }, "option", v4(), MTU],
    ["no-such-form", { vnet: "gso", payload: 9000 }, "protocol", v4(), MTU],
    ["not-tcp-or-udp", { protocol: "tcp" }, "option", v4(), MTU],
  ] as [string, FrameSpec, UoaForm, ClientAddress, number][])(
    "%s",
    (refusal, spec, form, client, mtu) => {
      expect(insert(spec, form, client, mtu).refusal).toBe(refusal);
    },
  );
});

describe("what the client wrote itself", () => {
  it("is blanked, wherever it stands in the list", () => {
    const laid = lay({ protocol: "udp", ipOptions: `94040000${V4_OPTION}01${V4_OPTION}010101` });
    const segment = newSegment();
    openSegment(segment, laid.frame, laid.floor);
    blankUoas(segment);
    sealSegment(segment);
    expect(laid.read().between).toBe(`94040000${"01".repeat(20)}`);
  });
});

describe("ahead of a datagram that has no room", () => {
  it.each([
    ["option", 4, v4(), V4_OPTION],
    ["protocol", 4, v4(), `1011000c${V4_OPTION}`],
    ["protocol", 6, v6(), `20110018${V6_OPTION}`],
    ["protocol", 4, v6(), `20110018${V6_OPTION}`],
  ] as const)(
    "as %s over IPv%i: an empty datagram of its own",
    (form, version, client, between) => {
      const spec: FrameSpec = {
        version,
        payload: 1472,
        ipOptions: version === 4 ? "94040000" : "",
      };
      const { laid, refusal, segment } = insert(spec, form, client);
      expect(refusal).not.toBe("none");
      const original = laid.copy();
      for (const vnetOffset of [-1, 20]) {
        const bytes = new Uint8Array(160).fill(0xa5);
        const out = { bytes, offset: 32, length: 0, vnetOffset };
        putStandaloneUoa(segment, client, form, out);
        const vnet = vnetOffset < 0 ? null : readVnet(bytes.subarray(20));
        expect(readFrame(bytes.subarray(32, 32 + out.length), vnet)).toEqual({
          ...plain(spec),
          protocol: form === "option" ? 17 : 248,
          between,
          payload: "",
          packetBytes: out.length - 14,
        });
        expect(out.length).toBeLessThanOrEqual(120 - 12);
        expect(bytes.subarray(0, vnetOffset < 0 ? 32 : 20).every((byte) => byte === 0xa5)).toBe(
          true,
        );
        expect(bytes.subarray(32 + out.length).every((byte) => byte === 0xa5)).toBe(true);
      }
      expect(laid.copy()).toEqual(original);
    },
  );
});

describe("taken out on the server's side", () => {
  const shapes: [string, FrameSpec][] = (["none", "plain", "partial"] as const).flatMap((vnet) =>
    ([4, 6] as const).map((version): [string, FrameSpec] => [
      `IPv${version}, vnet header: ${vnet}`,
      { version, vnet, payload: 77 },
    ]),
  );

  it.each(shapes)("protocol 248 leaves no trace: %s", (_name, spec) => {
    const { laid } = insert(spec, "protocol", v6());
    const out = newClientAddress();
    expect(takeUoa(newSegment(), laid.frame, laid.floor, out)).toBe(true);
    expect(out).toEqual(v6());
    expect(laid.copy()).toEqual(lay({ protocol: "udp", ...spec }).copy());
  });

  it("an option stays where it is", () => {
    const { laid } = insert({}, "option");
    const before = laid.copy();
    const out = newClientAddress();
    expect(takeUoa(newSegment(), laid.frame, laid.floor, out)).toBe(true);
    expect(out).toEqual(v4());
    expect(laid.copy()).toEqual(before);
  });

  it.each([
    ["another datagram", {}],
    ["a segment", { protocol: "tcp" }],
    ["a fragment", { fragment: 0x2000 }],
    ["other options", { ipOptions: "94040000" }],
    ["options that end before it", { ipOptions: `00000000${V4_OPTION}` }],
  ] as [string, FrameSpec][])("nothing to read: %s", (_name, spec) => {
    const laid = lay({ protocol: "udp", ...spec });
    const before = laid.copy();
    expect(takeUoa(newSegment(), laid.frame, laid.floor, newClientAddress())).toBe(false);
    expect(laid.copy()).toEqual(before);
  });

  it("a header of protocol 248 that contradicts itself stays as it is", () => {
    const { laid } = insert({}, "protocol");
    laid.frame.bytes[laid.frame.offset + 14 + 20 + 2] = 0xff;
    const before = laid.copy();
    expect(takeUoa(newSegment(), laid.frame, laid.floor, newClientAddress())).toBe(false);
    expect(laid.copy()).toEqual(before);
  });
});
