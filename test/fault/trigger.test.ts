// When a fault strikes: at the value, not before, and each trigger looks at its own count only.
import { describe, expect, it } from "vitest";
import { isDue, type Progress, triggerText } from "../../src/fault/trigger.js";
import { TRIGGERS } from "../../src/scenario/types.js";

const NONE: Progress = { elapsedMs: 0, inFlight: 0, requestsSent: 0, responses: 0, framesSeen: 0 };
const FIELD = {
  inFlight: "inFlight",
  requestsSent: "requestsSent",
  responses: "responses",
  framesSeen: "framesSeen",
  afterMs: "elapsedMs",
} as const;

describe("a trigger", () => {
  it.each(TRIGGERS)("%s fires at its value and not before", (on) => {
    const at = (value: number): Progress => ({ ...NONE, [FIELD[on]]: value });
    expect(isDue({ on, value: 100 }, at(99))).toBe(false);
    expect(isDue({ on, value: 100 }, at(100))).toBe(true);
    expect(isDue({ on, value: 100 }, at(5000))).toBe(true);
  });

  it.each(TRIGGERS)("%s does not mind what the others have reached", (on) => {
    const all: Record<string, number> = Object.fromEntries(
      Object.values(FIELD).map((field) => [field, 1_000_000]),
    );
    all[FIELD[on]] = 0;
    expect(isDue({ on, value: 1 }, { ...NONE, ...all })).toBe(false);
  });

  it("is reported as the scenario writes it", () => {
    expect(triggerText({ on: "inFlight", value: 3000 })).toEqual({ inFlight: 3000 });
  });
});
