// A parent to be killed by witness.test.ts: starts a witness in the namespace of descriptor 4 and
// says its process id.
import { startWitness } from "../../dist/host/witness/witness.js";

const witness = await startWitness({ name: "a", handle: 4, path: null }, "veth0", "");
process.send(String(witness.pid));
setInterval(() => undefined, 1_000);
