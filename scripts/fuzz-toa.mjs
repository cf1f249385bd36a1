// Malformed frames through the load balancer; test/balancer/fuzz/main.ts says what must hold.
import { runTypescript } from "./run-typescript.mjs";

await runTypescript("test/balancer/fuzz/main.ts");
