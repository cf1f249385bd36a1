// From the text of a scenario file to a checked `Scenario`, or to everything that is wrong with it,
// each with line and column. Creates nothing and reads no file; any thread.
import { type Document, isScalar } from "yaml";
import type { Flow } from "../flow/types.js";
import { checkBalancer } from "./balancer/check.js";
import { checkFaults } from "./check/faults.js";
import { checkFlowText } from "./check/flows.js";
import { checkLoad } from "./check/load.js";
import { checkBridge } from "./bridge/check.js";
import { checkPorts } from "./check/ports.js";
import { portNumbers, resolveScenario } from "./resolve.js";
import { scenarioSchema, type ScenarioText } from "./schema.js";
import { didYouMean } from "./text/did-you-mean.js";
import { addIssues } from "./text/issues.js";
import type { Problems } from "./text/problems.js";
import { readText } from "./text/read.js";
import { GUARDS, isModulePath, type Scenario } from "./types.js";

export interface ParseOptions {
  /** `path=value` texts, applied in order before anything is checked. */
  readonly set?: readonly string[];
}

/**
 * Parses and checks a scenario.
 * @param file how the user named it; every message begins with it.
 * @throws PacketpathError SCENARIO_INVALID with all problems (`others`); USAGE for a bad `set`.
 */
export function parseScenario(text: string, file: string, options: ParseOptions = {}): Scenario {
  const expected = "expected a map with name, namespaces and ports; see `packetpath schema`";
  const { document, problems, raw } = readText(text, file, {
    ...{ schema: scenarioSchema, expected, set: options.set ?? [] },
    prepare: keepVersionText,
  });
  if ("system" in raw) {
    const fix = "Use packetpath run or packetpath explore.";
    problems.add([], "this scenario is of a model: nothing is built for it", {
      key: "system",
      fix,
    });
    problems.throwIfAny();
  }
  if ("endpoint" in raw) {
    const fix = "Use packetpath run, or for its model packetpath explore --system endpoint.";
    problems.add([], "this scenario is of an endpoint, not of a switch", { key: "endpoint", fix });
    problems.throwIfAny();
  }
  const result = scenarioSchema.safeParse(raw);
  if (!result.success) {
    addIssues(problems, result.error.issues, { root: raw, schema: scenarioSchema });
  }
  const flows = checkAcross(raw, document, problems);
  problems.throwIfAny();
  return resolveScenario(scenarioSchema.parse(raw), { file, flows });
}

/** `profile: 5.10` without quotes is the number 5.1 for YAML; the written text is what is meant. */
function keepVersionText(document: Document): void {
  const node = document.get("profile", true);
  if (isScalar(node) && typeof node.value === "number" && node.source !== undefined) {
    node.value = node.source;
  }
}

const { shape } = scenarioSchema;
type Section = keyof typeof shape;

/**
 * The checks that span fields. Each runs when all parts that it reads are right by themselves, so
 * that one slip does not hide the others, and does not cause errors that are none.
 */
function checkAcross(raw: Record<string, unknown>, document: Document, problems: Problems): Flow[] {
  const parts: Partial<Record<Section, unknown>> = {};
  for (const section of Object.keys(shape) as Section[]) {
    const result = shape[section].safeParse(raw[section]);
    if (result.success) parts[section] = result.data;
  }
  const run = <S extends Section>(
    sections: readonly S[],
    check: (text: Pick<ScenarioText, S>) => void,
  ): void => {
    if (sections.every((section) => section in parts)) check(parts as Pick<ScenarioText, S>);
  };
  run(["namespaces", "ports", "defaults"], (text) => checkPorts(text, problems));
  run(["bridge", "ports"], (text) => checkBridge(text, problems));
  run(["balancer", "ports"], (text) => checkBalancer(text, problems));
  run(["namespaces", "ports", "balancer", "load"], (text) => checkLoad(text, problems));
  run(["namespaces", "ports", "defaults", "load", "faults", "workers"], (text) =>
    checkFaults(text, problems),
  );
  run(["guard", "expect"], (text) => checkGuards(text, problems));
  run(["vswitchd"], (text) => checkDumps(text, problems));
  let flows: Flow[] = [];
  run(["ports", "flows"], (text) => {
    flows = checkFlowText(text, portNumbers(text.ports), document, problems);
  });
  return flows;
}

function checkGuards(text: Pick<ScenarioText, "guard" | "expect">, problems: Problems): void {
  const known: readonly string[] = GUARDS;
  const sentence = (name: string, more: readonly string[]) => {
    const names = [...known, ...more];
    return `no guard "${name}"${didYouMean(name, names) || `; expected ${names.join(", ")}`}`;
  };
  if (!known.includes(text.guard) && !isModulePath(text.guard)) {
    problems.add(["guard"], `${sentence(text.guard, [])} or the path of a module`);
  }
  for (const name of Object.keys(text.expect)) {
    if (name === "default" || known.includes(name) || isModulePath(name)) continue;
    problems.add(["expect"], sentence(name, ["default"]), { key: name });
  }
}

function checkDumps(text: Pick<ScenarioText, "vswitchd">, problems: Problems): void {
  const dumps = text.vswitchd;
  if (dumps !== undefined && dumps.dumpMs >= dumps.dumpEveryMs) {
    const every = `${dumps.dumpEveryMs} ms from one dump to the next`;
    problems.add(["vswitchd", "dumpMs"], `${dumps.dumpMs} ms do not fit into ${every}`);
  }
}
