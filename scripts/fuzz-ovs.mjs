// Compares our pipeline with a private Open vSwitch on random flow sets and packets; see --help.
import { runTypescript } from "./run-typescript.mjs";

await runTypescript("test/differential/main.ts");
