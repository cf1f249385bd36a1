// Every error code leads to the exit code that scripts branch on, and an error prints as compilers
// print theirs.
import { describe, expect, it } from "vitest";
import { ERROR_CODES, type ErrorCode, PacketpathError } from "../../src/base/errors.js";

const EXITS: Readonly<Record<ErrorCode, number>> = {
  SCENARIO_INVALID: 2,
  FLOW_INVALID: 2,
  USAGE: 2,
  GUARD_INVALID: 2,
  PROGRAM_INVALID: 2,
  FILE_UNUSABLE: 2,
  ENVIRONMENT: 3,
  SYSTEM_CALL: 3,
  DEADLINE: 4,
  INTERNAL: 4,
};

describe("error codes", () => {
  it("lead to the exit codes of the contract, each of them", () => {
    for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
      expect([code, new PacketpathError(code, "x").exitCode]).toEqual([code, EXITS[code]]);
    }
    expect(Object.keys(EXITS).sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });

  it("a file that cannot be used is bad input", () => {
    const place = { file: "a.yaml", line: 3, column: 7 };
    const error = new PacketpathError("FILE_UNUSABLE", "not there", { place });
    expect(error.exitCode).toBe(2);
    expect(error.toString()).toBe("a.yaml:3:7: error: not there");
  });

  it("without a place there is none in the text", () => {
    expect(new PacketpathError("INTERNAL", "broken").toString()).toBe("error: broken");
  });
});
