// The primitives of src/sync, whose `tick` also counts the rounds of loops and ends one that has
// gone round too often. For window.test.ts, which has it loaded in their place.
import * as real from "../../dist/sync/primitives.js?real";

export * from "../../dist/sync/primitives.js?real";

/** Made by the test, which sets it back. */
const { loop } = globalThis;

export function tick(...values) {
  real.tick(...values);
  if (++loop.rounds > loop.most) throw new RangeError("endless");
}
