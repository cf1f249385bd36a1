// A program of a user: runs a scenario through the library and prints what came of it.
import { readFileSync } from "node:fs";
import { parseScenario, runScenario, PacketpathError } from "packetpath";
import { ld } from "packetpath/sync";

const file = "scenarios/two-hosts.yaml";
const set = ["load.http.requests=20"];
const scenario = parseScenario(readFileSync(file, "utf8"), file, { set });
const { report } = await runScenario(scenario, { backend: "memory" });
let refused = "";
try {
  parseScenario("name: x\n", "x.yaml");
} catch (error) {
  if (error instanceof PacketpathError) refused = error.code;
}
const { verdict, frames, requests } = report;
const { ok } = requests;
process.stdout.write(
  JSON.stringify({ verdict, ok, balanced: frames.balanced, refused, ld: typeof ld }),
);
