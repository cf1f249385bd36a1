// A trace as text, letter by letter as `ovs-appctl ofproto/trace` of Open vSwitch 3.1 prints it,
// and as JSON. Slow path; any thread.
import { nodeLines, type TraceNode } from "./nodes.js";
import type { Trace, TraceReturn, TraceStep } from "./trace.js";

const RULE = "=".repeat(79);

/** The whole trace; ends with a newline. */
export function formatTrace(trace: Trace): string {
  const omitted =
    trace.omitted === 0
      ? ""
      : `\n\n${RULE}\nTrace reached the recirculation limit.  Sopping the trace here.` +
        `\nQueued but not processed: ${trace.omitted} recirculations.`;
  const text = trace.steps.map(formatStep).join("") + omitted;
  return text.endsWith("\n") ? text : `${text}\n`;
}

function formatStep(step: TraceStep): string {
  const { datapathActions, failure, slowPath } = step;
  const lines = [
    `Flow: ${step.flow}`,
    ...nodeLines(step.nodes),
    "",
    `Final flow: ${step.finalFlow ?? "unchanged"}`,
    `Megaflow: ${step.megaflow}`,
    `Datapath actions: ${datapathActions.length === 0 ? "drop" : datapathActions.join(",")}`,
  ];
  if (failure !== null) lines.push(`Translation failed (${failure}), packet is dropped.`, "");
  if (slowPath.length > 0) {
    lines.push("This flow is handled by the userspace slow path because it:");
    lines.push(...slowPath.map((reason) => `  - ${reason}.`));
  }
  return (step.from === null ? "" : formatReturn(step.from)) + lines.join("\n");
}

/** The heading of a copy that has come back. */
function formatReturn({ id, ctState, isCtChosen, nat }: TraceReturn): string {
  const chosen = isCtChosen ? "ct_state=" : "default ct_state=";
  const hint = isCtChosen ? "" : " (use --ct-next to customize)";
  // The default is spelled in another order than flags are printed in.
  const state = isCtChosen ? ctState : "trk|new";
  const tracked = ` - resume conntrack with ${chosen}${state}${hint}`;
  const translated =
    nat === null
      ? []
      : [
          "Replacing src/dst IP/ports to simulate NAT:",
          ` Initial flow: ${nat.before}`,
          ` Modified flow: ${nat.after}`,
        ];
  const head = `recirc(0x${id.toString(16)})${tracked}`;
  return `\n\n${[RULE, head, ...translated, RULE].join("\n")}\n\n`;
}

/** The JSON form: the same tree. Cookies are decimal texts: they have 64 bits. */
export function traceJson(trace: Trace): object {
  const { bridge, steps, omitted } = trace;
  return { schemaVersion: 1, bridge, steps: steps.map(stepJson), omitted };
}

function stepJson(step: TraceStep): object {
  return { ...step, nodes: step.nodes.map(nodeJson) };
}

function nodeJson(node: TraceNode): object {
  const { cookie, nodes, ...rest } = node;
  const shown = cookie === undefined ? {} : { cookie: String(cookie) };
  return { ...rest, ...shown, nodes: nodes.map(nodeJson) };
}
