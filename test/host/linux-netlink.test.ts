// rtnetlink messages as bytes: any bytes are survived, differences after a re-listing are told.
import { C } from "@packetpath/libc";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressBytes, forEachMessage, parseLink } from "../../src/host/link-message.js";
import type { Link } from "../../src/host/link-message.js";
import { relist } from "../../src/host/link-monitor.js";
import type { LinkEvent } from "../../src/host/types.js";

const namespace = { name: "client", handle: 3, path: null };

function link(ifindex: number, over: Partial<Link> = {}): Link {
  return {
    deleted: false,
    ifindex,
    name: `tp${ifindex}`,
    flags: C.IFF_UP,
    up: true,
    carrier: true,
    mtu: 1500,
    txQueueLen: 500,
    mac: "02:00:00:00:00:01",
    stats: null,
    ...over,
  };
}

describe("link messages", () => {
  it("no bytes make the walk read outside its message or run on", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), (bytes, claimed) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const length = Math.min(claimed, bytes.length);
        let messages = 0;
        forEachMessage(view, length, (_type, at, end) => {
          messages += 1;
          expect(end).toBeLessThanOrEqual(length);
          parseLink(view, C.RTM_NEWLINK, at, end);
          return true;
        });
        expect(messages).toBeLessThanOrEqual(length / 16);
      }),
      { numRuns: 2000 },
    );
  });

  it("an attribute that claims to be longer than its message is not read", () => {
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    view.setInt32(16 + 4, 7, true);
    view.setUint16(32, 200, true);
    view.setUint16(34, C.IFLA_IFNAME, true);
    expect(parseLink(view, C.RTM_NEWLINK, 0, 48)).toMatchObject({ ifindex: 7, name: "" });
    view.setUint16(32, 7, true);
    bytes.set([0x74, 0x30, 0x00], 36);
    expect(parseLink(view, C.RTM_NEWLINK, 0, 48)).toMatchObject({ ifindex: 7, name: "t0" });
    expect(parseLink(view, C.RTM_NEWADDR, 0, 48)).toBeNull();
  });

  it("addresses become bytes", () => {
    expect([...addressBytes("10.0.0.254")]).toEqual([10, 0, 0, 254]);
    const hex = (text: string): string => Buffer.from(addressBytes(text)).toString("hex");
    expect(hex("::")).toBe("0".repeat(32));
    expect(hex("fd00:8::1")).toBe("fd000008" + "0".repeat(23) + "1");
    expect(hex("1:2:3:4:5:6:7:8")).toBe("00010002000300040005000600070008");
    expect(hex("1:2:3:4:5:6:7::")).toBe("00010002000300040005000600070000");
    expect(hex("::ffff:10.0.0.1")).toBe("00000000000000000000ffff0a000001");
  });
});

describe("re-listing after an overrun", () => {
  it("tells what is gone, new and changed, and nothing else", () => {
    const known = new Map([1, 2, 3].map((ifindex) => [ifindex, link(ifindex)]));
    const events: LinkEvent[] = [];
    const now = [link(1), link(3, { flags: 0, up: false }), link(4)];
    relist({ namespace, known }, now, events);
    const told = events.map(({ kind, ifindex, up }) => [kind, ifindex, up]);
    expect(told).toEqual([
      ["deleted", 2, true],
      ["changed", 3, false],
      ["new", 4, true],
    ]);
    relist({ namespace, known }, now, events);
    expect(events).toHaveLength(3);
  });
});
