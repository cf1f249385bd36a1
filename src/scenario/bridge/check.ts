// What must hold between VLAN settings, mirrors and ports, beyond what the schema has seen. Pure;
// any thread.
import type { ScenarioText } from "../schema.js";
import { didYouMean } from "../text/did-you-mean.js";
import type { Problems } from "../text/problems.js";

export function checkBridge(
  text: Pick<ScenarioText, "bridge" | "ports">,
  problems: Problems,
): void {
  text.ports.forEach(({ vlan }, index) => {
    if (vlan === undefined) return;
    const path = ["ports", index, "vlan"];
    const { mode, tag, trunks } = vlan;
    const needsTag = mode !== undefined && mode !== "trunk";
    if (needsTag && tag === undefined) problems.add(path, `mode "${mode}" needs "tag"`);
    if (mode === "trunk" && tag !== undefined) {
      problems.add([...path, "tag"], "a trunk has no tag; native-tagged and native-untagged have");
    }
    const isAccess = mode === "access" || (mode === undefined && tag !== undefined);
    if (isAccess && trunks !== undefined) {
      problems.add([...path, "trunks"], "an access port carries one VLAN, its tag");
    }
  });
  checkMirrors(text, problems);
}

function checkMirrors(text: Pick<ScenarioText, "bridge" | "ports">, problems: Problems): void {
  const names = text.ports.map(({ name }) => name);
  const seen = new Set<string>();
  text.bridge.mirrors.forEach((mirror, index) => {
    const path = ["bridge", "mirrors", index];
    if (seen.has(mirror.name)) problems.add([...path, "name"], `mirror "${mirror.name}" is taken`);
    seen.add(mirror.name);
    const outputs = [mirror.outputPort, mirror.outputVlan].filter((each) => each !== undefined);
    if (outputs.length !== 1) {
      problems.add(path, 'a mirror needs either "outputPort" or "outputVlan"');
    }
    const known = (name: string, at: readonly (string | number)[]): void => {
      if (names.includes(name)) return;
      problems.add([...path, ...at], `no port "${name}"${didYouMean(name, names)}`);
    };
    if (mirror.outputPort !== undefined) known(mirror.outputPort, ["outputPort"]);
    mirror.sources.forEach((name, i) => known(name, ["sources", i]));
    mirror.destinations.forEach((name, i) => known(name, ["destinations", i]));
    const selects = mirror.selectAll || mirror.sources.length + mirror.destinations.length > 0;
    if (!selects) {
      problems.add(path, 'a mirror needs "selectAll", "sources" or "destinations"');
    }
  });
}
