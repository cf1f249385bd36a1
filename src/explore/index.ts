// `packetpath/explore`: what programs import, and the explorer for those who run them from code.
export * from "./primitives.js";
export * from "./kernel-primitives.js";
export { FREE, UNINIT } from "./types.js";
export { explore, replay } from "./explore.js";
export { loadProgram } from "./source/load.js";
export type {
  Cell,
  Counterexample,
  Exploration,
  ExploreOptions,
  LoadedProgram,
  PlacedThread,
  ProgramSpec,
  TimelineStep,
  Verdict,
} from "./types.js";
export type { Parameters, ParameterValue } from "./variants/parameters.js";
export type { Variant, VariedSystem } from "./variants/variants.js";
