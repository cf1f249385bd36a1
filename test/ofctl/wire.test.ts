// What is sent is what is received: matches and actions of random flows, encoded and decoded, say
// what dump-flows says of them; and bytes that mean nothing are refused in OpenFlow's own words.
import { describe, expect, it } from "vitest";
import { Random } from "../../src/base/random.js";
import { decodeActions, encodeActions } from "../../src/ofctl/openflow/actions/codec.js";
import {
  decodeInstructions,
  encodeInstructions,
} from "../../src/ofctl/openflow/actions/instructions.js";
import { ByteWriter, hexOf, WireError } from "../../src/ofctl/openflow/bytes.js";
import { decodeMatch, encodeMatch, newWireMatch } from "../../src/ofctl/openflow/oxm-match.js";
import { formatActions, printActions } from "../../src/ofctl/print/format-actions.js";
import { formatMatch } from "../../src/ofctl/print/format-match.js";
import { receivedActions } from "../../src/ofctl/print/received.js";
import { checkReceivedMatch, receivedMatch } from "../../src/ofctl/print/received-match.js";
import { unreadable } from "../../src/ofctl/print/unreadable.js";
import { parseFlowMod } from "../../src/ofctl/parse.js";
import { formatsOfVersions, type OpenFlowVersion } from "../../src/ofctl/protocols.js";
import type { Action } from "../../src/flow/types.js";
import { randomRichFlowText } from "./generate.js";

const VERSIONS = [10, 11, 12, 13, 14, 15] as const;
const SEED = 31;
const silent = (): void => undefined;

/** Flows that a version can say, with their texts. */
function flows(version: OpenFlowVersion): { text: string; mod: ReturnType<typeof parse>["mod"] }[] {
  const random = new Random(SEED);
  const formats = formatsOfVersions([version]);
  return Array.from({ length: 600 }, () => randomRichFlowText(random))
    .map((text) => ({ text, ...parse(text) }))
    .filter((flow) => (flow.formats & formats) !== 0);
}

const parse = (text: string): ReturnType<typeof parseFlowMod> => parseFlowMod(text, "add");

function sentActions(actions: readonly Action[], version: OpenFlowVersion): Uint8Array {
  const out = new ByteWriter();
  const received = receivedActions(actions, version, null);
  const wire = received.map((action) => ({ action, row: null }));
  encodeInstructions(out, wire, { version, warn: silent });
  return out.done();
}

function sentMatch(text: string, version: OpenFlowVersion): Uint8Array {
  const out = new ByteWriter();
  encodeMatch(out, newWireMatch(parse(text).mod.match), version);
  return out.done();
}

/** The actions, or what is wrong with them. */
function heardActions(bytes: Uint8Array, version: OpenFlowVersion): string {
  try {
    const decoded = decodeInstructions(bytes, { version, warn: silent });
    return printActions(
      decoded.map(({ action }) => action as Action),
      { version },
    );
  } catch (error) {
    if (error instanceof WireError) return error.message;
    throw error;
  }
}

/** The match, or what is wrong with it. */
function heardMatch(bytes: Uint8Array): string {
  try {
    const options = { strict: true, cookie: false, warn: silent };
    return formatMatch(decodeMatch(bytes, options).match);
  } catch (error) {
    if (error instanceof WireError) return error.message;
    throw error;
  }
}

describe(`what is sent is what is received (seed ${SEED})`, () => {
  it.each(VERSIONS)("actions, in the words of version %i", (version) => {
    const wrong = flows(version).flatMap(({ text, mod }) => {
      const refused = unreadable({ match: null, actions: mod.actions }, version);
      const said = refused ?? formatActions(mod.actions, { version });
      const bytes = sentActions(mod.actions, version);
      const heard = heardActions(bytes, version);
      return said === heard ? [] : [{ text, said, heard, bytes: hexOf(bytes) }];
    });
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it.each(VERSIONS.filter((version) => version !== 11))(
    "matches, in the words of version %i",
    (version) => {
      const wrong = flows(version).flatMap(({ text, mod }) => {
        const refused = checkReceivedMatch(mod.match, version);
        const said = refused ?? formatMatch(receivedMatch(mod.match, version));
        const bytes = sentMatch(text, version);
        const heard = heardMatch(bytes);
        return said === heard ? [] : [{ text, said, heard, bytes: hexOf(bytes) }];
      });
      expect(wrong.slice(0, 5)).toEqual([]);
    },
  );
});

describe("lists inside lists", () => {
  /** So many clones of nothing in one another. */
  function clones(depth: number): Uint8Array {
    let action: Action = { type: "clone", actions: [] };
    for (let n = 1; n < depth; n++) action = { type: "clone", actions: [action] };
    const out = new ByteWriter();
    encodeActions(out, [{ action, row: null }], { version: 13, warn: silent });
    return out.done();
  }

  it("are read as deep as a translation goes, and refused below", () => {
    const read = (bytes: Uint8Array): number =>
      decodeActions(bytes, { version: 13, warn: silent }).length;
    expect(read(clones(64))).toBe(1);
    expect(() => read(clones(65))).toThrow(new WireError("OFPBAC_TOO_MANY"));
  });
});

/** A few bits of the bytes turned, or their end cut off. */
function spoiled(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = bytes.slice(0, bytes.length - random.below(2) * random.below(9));
  for (let n = random.below(4); n > 0 && copy.length > 0; n--) {
    copy[random.below(copy.length)]! ^= 1 << random.below(8);
  }
  return copy;
}

describe(`bytes that mean nothing are refused, and nothing worse (seed ${SEED})`, () => {
  const refusesOrReads = (read: () => unknown): string => {
    try {
      read();
      return "read";
    } catch (error) {
      if (error instanceof WireError) return "refused";
      throw error;
    }
  };

  it.each(VERSIONS)("in version %i", (version) => {
    const random = new Random(SEED + version);
    const outcomes = flows(version).flatMap(({ text, mod }) => {
      const actions = spoiled(sentActions(mod.actions, version), random);
      const match = spoiled(sentMatch(text, version), random);
      const options = { version, warn: silent };
      return [
        refusesOrReads(() => {
          const decoded = decodeInstructions(actions, options);
          encodeInstructions(new ByteWriter(), decoded, options);
        }),
        refusesOrReads(() => {
          encodeActions(new ByteWriter(), decodeActions(actions, options), options);
        }),
        refusesOrReads(() => {
          const decoded = decodeMatch(match, { strict: false, cookie: true, warn: silent });
          encodeMatch(new ByteWriter(), decoded, version);
        }),
      ];
    });
    expect(new Set(outcomes)).toEqual(new Set(["read", "refused"]));
  });
});
