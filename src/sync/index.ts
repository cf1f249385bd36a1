// `packetpath/sync`: the primitives, for guards and programs that users write.
export * from "./memory.js";
export * from "./primitives.js";
