// Outputs by action: to a port, truncated, to the controller (Open vSwitch 3.1,
// xlate_output_action, xlate_output_trunc_action, xlate_controller_action). Called by the walk;
// slow path of each worker.
import { DROP } from "../../base/drop-reasons.js";
import { WORD } from "../../flow/key.js";
import { ODP, type ControllerOperand } from "../../flow/odp.js";
import { OFPP } from "../../flow/types.js";
import { commit, emitOperand, noteDrop, type Context } from "../context.js";
import type { PortTable } from "../ports.js";
import { composeOutput } from "../switching/compose-output.js";

/** To a port, unless it is the one that the packet came from: only IN_PORT sends it back. */
export function outputToOther(ctx: Context, ports: PortTable, port: number, isLast = false): void {
  if (port !== ctx.flow[WORD.inPort]) return composeOutput(ctx, ports, port, 0, isLast);
  ctx.observer?.warning("skipping output to input port");
  noteDrop(ctx, DROP["in-port"]);
}

const PORT_NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [OFPP.inPort, "IN_PORT"],
  [OFPP.table, "TABLE"],
  [OFPP.normal, "NORMAL"],
  [OFPP.flood, "FLOOD"],
  [OFPP.all, "ALL"],
  [OFPP.controller, "CONTROLLER"],
  [OFPP.local, "LOCAL"],
  [OFPP.none, "NONE"],
]);

/** The name of a reserved port, or the number. */
function portText(port: number): string {
  return PORT_NAMES.get(port) ?? String(port);
}

const NOT_TRUNCATED: readonly number[] = [
  ...[OFPP.table, OFPP.normal, OFPP.flood, OFPP.all, OFPP.controller, OFPP.none],
];

/** Sends the first `maxBytes` of the packet to one port; a group of ports is refused. */
export function outputTruncated(
  ctx: Context,
  ports: PortTable,
  port: number,
  maxBytes: number,
): void {
  if (NOT_TRUNCATED.includes(port)) {
    ctx.observer?.warning(`output_trunc does not support port: ${portText(port)}`);
    return noteDrop(ctx, DROP["no-output"]);
  }
  if (port === ctx.flow[WORD.inPort]) return outputToOther(ctx, ports, port);
  const isPatch = ctx.wiring !== null && ctx.wiring.datapathPort(port) < 0;
  if (ports.generationOf(port) === 0 || isPatch) {
    ctx.observer?.error(`output_trunc does not support patch port ${portText(port)}`);
    return noteDrop(ctx, DROP["no-vport"]);
  }
  // If the port refuses the packet, this stays, and cuts the next output short, as in Open vSwitch
  // (xlate_output_trunc_action of ofproto/ofproto-dpif-xlate.c).
  ctx.actions.push(ODP.truncate, maxBytes);
  composeOutput(ctx, ports, port);
}

/** Emits a packet-in. @param meter limits it; null: nothing does. */
export function emitController(
  ctx: Context,
  operand: ControllerOperand,
  meter: number | null = null,
): void {
  commit(ctx);
  if (meter === null) emitOperand(ctx, ODP.controller, operand);
  else {
    ctx.actions.push(ODP.clone, 4, 0, ODP.meter, meter);
    emitOperand(ctx, ODP.controller, operand);
  }
  noteDrop(ctx, DROP["to-controller"]);
}
