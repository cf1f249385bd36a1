// Answers are told apart by their bytes: a client must notice one that is not its own.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AnswerContent, parseRequestPath, requestPath } from "../../src/load/http-content.js";

describe("the content of answers", () => {
  it("has exactly the asked length, also when that is shorter than the number", () => {
    for (const bodyBytes of [0, 1, 11, 12, 13, 4096]) {
      expect(new AnswerContent(bodyBytes).body(123).length).toBe(bodyBytes);
    }
  });

  it("differs between any two requests, also a whole period of the pattern apart", () => {
    const content = new AnswerContent(300);
    const number = fc.integer({ min: 0, max: 1_000_000 });
    fc.assert(
      fc.property(number, number, (a, b) => {
        fc.pre(a !== b);
        expect(content.body(a).equals(content.body(b))).toBe(false);
      }),
    );
    expect(content.body(7).equals(content.body(7 + 251))).toBe(false);
  });

  it("shows a single byte that is lost or shifted", () => {
    const body = new AnswerContent(300).body(5);
    for (const at of [12, 150, 298]) {
      const shifted = Buffer.concat([
        body.subarray(0, at),
        body.subarray(at + 1),
        body.subarray(0, 1),
      ]);
      expect(shifted.equals(body)).toBe(false);
    }
  });

  it("is asked for by a path that is read back", () => {
    expect(parseRequestPath(requestPath(2999, 1000))).toEqual({ number: 2999, bodyBytes: 1000 });
    for (const path of ["/", "/1", "/1/", "/x/1", "/1/2/3", "/-1/5", "/1/9999999999"]) {
      expect(parseRequestPath(path)).toBeNull();
    }
  });
});
