// The fast path against the slow path against a naive switch, over random flow sets and frames.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KEY_PACKET_WORDS, WORD } from "../../src/flow/key.js";
import { ODP, ODP_WORDS, type Megaflow } from "../../src/flow/odp.js";
import { ETHERTYPE } from "../../src/wire/ethernet.js";
import { newHeaderPlaces, locateHeaders } from "../../src/wire/rewrite.js";
import { checksum, pseudoSumIpv4, pseudoSumIpv6, sctpChecksum } from "../../src/wire/checksum.js";
import { checksumPlace } from "../../src/wire/transport.js";
import { get16 } from "../../src/wire/bytes.js";
import { keyOf, lab } from "../pipeline/fixtures.js";
import { NaiveSwitch } from "../pipeline/naive-switch.js";
import { PORTS, randomFlows, randomFrame } from "../pipeline/random-traffic.js";

/** Words of a key that name the frame; in_port is not part of a frame. */
function frameWords(key: Uint32Array): number[] {
  return [...key.subarray(WORD.ethDst, KEY_PACKET_WORDS)];
}

/** True when every checksum that can be checked is correct. */
function checksumsHold(bytes: Uint8Array): boolean {
  const places = newHeaderPlaces();
  locateHeaders(bytes, 0, bytes.length, places);
  const { network, kind, transport, protocol, end } = places;
  if (kind === 4 && checksum(bytes, network, (bytes[network]! & 15) * 4) !== 0) return false;
  const isFragment = kind === 4 && (get16(bytes, network + 6) & 0x3fff) !== 0;
  if (transport < 0 || isFragment) return true;
  if (protocol === 132) {
    const crc = sctpChecksum(bytes, transport, end);
    return [0, 1, 2, 3].every((i) => bytes[transport + 8 + i] === ((crc >>> (8 * i)) & 0xff));
  }
  const place = checksumPlace(protocol);
  if (place < 0 || transport + place + 2 > end) return true;
  const length = end - transport;
  const pseudo =
    kind === 4
      ? protocol === 1
        ? 0
        : pseudoSumIpv4(bytes, network, protocol, length)
      : pseudoSumIpv6(bytes, network, protocol, length);
  return checksum(bytes, transport, length, pseudo) === 0;
}

function setsOutsideMask(megaflow: Megaflow): number {
  let outside = 0;
  for (let i = 0; i < megaflow.actions.length; i += ODP_WORDS[megaflow.actions[i]!]!) {
    if (megaflow.actions[i] !== ODP.set) continue;
    outside |= megaflow.actions[i + 2]! & ~megaflow.mask[megaflow.actions[i + 1]!]!;
  }
  return outside;
}

describe("fast path, slow path and the naive switch", () => {
  it("send the same bytes to the same ports, first frame and cached frame alike", () => {
    fc.assert(
      fc.property(
        randomFlows,
        fc.array(randomFrame, { minLength: 1, maxLength: 25 }),
        (flows, frames) => {
          const { send } = lab(flows, PORTS);
          const naive = new NaiveSwitch(flows, PORTS);
          for (const { bytes, inPort, isCut } of [...frames, ...frames]) {
            const fates = send(bytes, inPort);
            const sent = fates.filter((fate) => fate.port !== null);
            const expected = naive.receive(keyOf(bytes, inPort));
            expect(sent.map((fate) => fate.port)).toEqual(expected.map((each) => each.port));
            sent.forEach((fate, i) => {
              // A header that is cut off cannot be written; the naive key does not know.
              if (isCut) return;
              const left = keyOf(fate.bytes, inPort);
              expect(frameWords(left)).toEqual(frameWords(expected[i]!.key));
              if (checksumsHold(bytes)) expect(checksumsHold(fate.bytes)).toBe(true);
            });
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("a frame that fits a megaflow of another frame would be translated the same", () => {
    fc.assert(
      fc.property(
        randomFlows,
        fc.array(randomFrame, { minLength: 2, maxLength: 30 }),
        (flows, frames) => {
          const { pipeline } = lab(flows, PORTS);
          const keys = frames.map(({ bytes, inPort }) => keyOf(bytes, inPort));
          const made = keys.map((key) => pipeline.translate(key));
          for (const megaflow of made) expect(setsOutsideMask(megaflow)).toBe(0);
          keys.forEach((key, i) => {
            for (const megaflow of made) {
              if (!megaflow.mask.every((m, w) => ((key[w]! ^ megaflow.key[w]!) & m) === 0))
                continue;
              expect(made[i]!.actions).toEqual(megaflow.actions);
              expect(made[i]!.dropReason).toBe(megaflow.dropReason);
              expect(made[i]!.mask).toEqual(megaflow.mask);
            }
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("each frame and each copy ends exactly once, the last copy last (conservation)", () => {
    fc.assert(
      fc.property(
        randomFlows,
        fc.array(randomFrame, { minLength: 1, maxLength: 25 }),
        (flows, frames) => {
          const { send, recorder } = lab(flows, PORTS);
          for (const { bytes, inPort } of [...frames, ...frames]) {
            recorder.clones = 0;
            const fates = send(bytes, inPort, { queueMapping: 3 });
            expect(1 + recorder.clones).toBe(fates.length);
            const drops = fates.filter((fate) => fate.drop !== null);
            expect(drops.length).toBe(fates.some((fate) => fate.port !== null) ? 0 : 1);
            expect(fates.map((fate) => fate.last)).toEqual(
              fates.map((_, i) => i === fates.length - 1),
            );
            // Every copy carries the same hint, though each output overwrites it.
            expect(new Set(fates.map((fate) => fate.queueMapping)).size).toBe(1);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it("the random frames do contain what the comparison is about", () => {
    const seen = new Set<number>();
    for (const { bytes, inPort } of fc.sample(randomFrame, 400)) {
      seen.add(keyOf(bytes, inPort)[WORD.typeVlan]! >>> 16);
    }
    expect([...seen]).toEqual(
      expect.arrayContaining([ETHERTYPE.ipv4, ETHERTYPE.ipv6, ETHERTYPE.arp, 0x88cc]),
    );
  });
});
