// The registry and its accessors: places do not clash, values come back as they went in.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  FIELDS,
  fieldByName,
  fieldFullMask,
  fieldOf,
  getField,
  getFieldWords,
  isFieldZero,
  setField,
  setFieldWords,
} from "../../src/flow/fields.js";
import { KEY_PACKET_WORDS, KEY_WORDS, STAGE_WORDS, newKey } from "../../src/flow/key.js";
import { newMatch, prerequisiteHolds, setMatchField } from "../../src/flow/match.js";

describe("the registry", () => {
  it("every name is unique, ignoring case", () => {
    const names = FIELDS.flatMap((f) => [...f.names, ...f.wireNames]).map((n) => n.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
  });

  it("every field lies inside the key", () => {
    for (const field of FIELDS) {
      expect(field.start, field.id).toBeGreaterThanOrEqual(0);
      expect(field.start + field.stored, field.id).toBeLessThanOrEqual(KEY_WORDS * 32);
      expect(field.words).toBe(Math.ceil(field.stored / 32));
    }
  });

  it("only fields that Open vSwitch keeps in one place share bits", () => {
    const sharing = new Set<string>();
    const family = (id: string): string =>
      id
        .replace(/^(xxreg|xreg|reg)\d+$/, "reg")
        .replace(/^(tcp|udp|sctp|icmp|icmpv6)_(src|dst|type|code)$/, "l4")
        .replace(/^(dl_vlan|dl_vlan_pcp|vlan_.*)$/, "vlan")
        .replace(/^(nw_tos|ip_dscp|nw_ecn)$/, "tos")
        .replace(/^(ip_src|arp_spa)$/, "spa")
        .replace(/^(ip_dst|arp_tpa)$/, "tpa")
        .replace(/^(nw_proto|arp_op)$/, "proto")
        .replace(/^(arp_sha|nd_sll)$/, "sha")
        .replace(/^(arp_tha|nd_tll)$/, "tha");
    for (const a of FIELDS) {
      for (const b of FIELDS) {
        const overlap = a.start < b.start + b.stored && b.start < a.start + a.stored;
        if (a.index < b.index && overlap && family(a.id) !== family(b.id)) {
          sharing.add(`${a.id}/${b.id}`);
        }
      }
    }
    expect([...sharing]).toEqual([]);
  });

  it("stages name every word in which a field lies, once", () => {
    const words = STAGE_WORDS.flat();
    expect(new Set(words).size).toBe(words.length);
    for (const field of FIELDS) {
      for (let w = field.start >> 5; w <= (field.start + field.stored - 1) >> 5; w++) {
        expect(words, field.id).toContain(w);
      }
    }
    expect(words.filter((w) => w < KEY_PACKET_WORDS).length).toBe(KEY_PACKET_WORDS);
  });

  it("names find their fields: ofctl, alias, NXM, OXM", () => {
    for (const name of ["tp_dst", "tcp_dst", "NXM_OF_TCP_DST", "oxm_of_tcp_dst"]) {
      expect(fieldByName(name)?.id).toBe("tcp_dst");
    }
    expect(fieldByName("nonsense")).toBeUndefined();
  });
});

describe("accessors", () => {
  const fields = fc.constantFrom(...FIELDS);
  const wordArray = fc.array(fc.integer({ min: 0, max: 0xffffffff }), {
    minLength: 4,
    maxLength: 4,
  });

  it("set then get gives the value, and nothing outside the field changes", () => {
    fc.assert(
      fc.property(fields, wordArray, fc.boolean(), (field, raw, ones) => {
        const key = newKey().fill(ones ? 0xffffffff : 0);
        const full = fieldFullMask({ ...field, id: "reg0" });
        const value = Uint32Array.from(full, (mask, i) => (raw[i]! & mask) >>> 0);
        setFieldWords(key, field, value);
        const back = new Uint32Array(field.words);
        getFieldWords(key, field, back);
        expect(back).toEqual(value);
        if (field.stored <= 32) expect(getField(key, field)).toBe(value[0]);
        setFieldWords(key, field, ones ? full : new Uint32Array(field.words));
        expect(key).toEqual(newKey().fill(ones ? 0xffffffff : 0));
      }),
      { numRuns: 3000 },
    );
  });

  it("numbers and words agree; wide fields get their low 32 bits", () => {
    fc.assert(
      fc.property(fields, fc.integer({ min: 0, max: 0xffffffff }), (field, raw) => {
        const number = field.stored >= 32 ? raw : raw % 2 ** field.stored;
        const a = newKey();
        setField(a, field, number);
        expect(getField(a, field)).toBe(number);
        expect(isFieldZero(a, field)).toBe(number === 0);
        const words = new Uint32Array(field.words);
        words[field.words - 1] = number;
        const b = newKey();
        setFieldWords(b, field, words);
        expect(a).toEqual(b);
      }),
      { numRuns: 2000 },
    );
  });

  it("a mask of nw_tos covers DSCP only", () => {
    expect(fieldFullMask(fieldOf("nw_tos"))[0]).toBe(0xfc);
  });
});

describe("prerequisites", () => {
  function tcpMatch(extra: Record<string, number>): ReturnType<typeof newMatch> {
    const match = newMatch();
    for (const [name, value] of Object.entries(extra)) {
      setMatchField(match, fieldByName(name)!, Uint32Array.of(value));
    }
    return match;
  }
  it("hold exactly when the match pins what they need", () => {
    expect(prerequisiteHolds(newMatch(), "ip")).toBe(false);
    expect(prerequisiteHolds(tcpMatch({ dl_type: 0x0800 }), "ip")).toBe(true);
    expect(prerequisiteHolds(tcpMatch({ dl_type: 0x0800 }), "tcp")).toBe(false);
    expect(prerequisiteHolds(tcpMatch({ dl_type: 0x86dd, nw_proto: 6 }), "tcp")).toBe(true);
    expect(prerequisiteHolds(tcpMatch({ dl_type: 0x0806, nw_proto: 6 }), "tcp")).toBe(false);
    expect(prerequisiteHolds(tcpMatch({ dl_type: 0x0800, nw_proto: 6, nw_frag: 3 }), "tcp")).toBe(
      false,
    );
    expect(
      prerequisiteHolds(tcpMatch({ dl_type: 0x86dd, nw_proto: 58, icmpv6_type: 135 }), "nd"),
    ).toBe(true);
    expect(prerequisiteHolds(tcpMatch({ dl_vlan: 5 }), "vlan")).toBe(false);
    expect(prerequisiteHolds(tcpMatch({ vlan_vid: 0x1005 }), "vlan")).toBe(true);
  });
});
