// Our switch, set up by the same command lines as the private Open vSwitch, in this process.
import type { Megaflow } from "../../src/flow/odp.js";
import { formatTrace } from "../../src/trace/print.js";
import { traceCommand } from "../../src/trace/arguments.js";
import { type DummyTarget, dummyTarget } from "../../src/vswitch/dummy/target.js";
import type { Answer, Tool } from "../../src/vswitch/verbs/call.js";
import { perform } from "../../src/vswitch/verbs/dispatch.js";
import { BRIDGE, FRESH_BRIDGE } from "./ovs.js";

export class OurSwitch {
  private readonly target: DummyTarget = dummyTarget();

  private constructor() {
    // Made by `start`, which waits for the first command line.
  }

  /** A switch with the bridge and its ports, and these command lines done. */
  static async start(setup: readonly string[]): Promise<OurSwitch> {
    const ours = new OurSwitch();
    for (const line of [["ovs-vsctl", ...FRESH_BRIDGE], ...setup.map((each) => each.split(" "))]) {
      const { exitCode, stderr } = await ours.tool(line);
      if (exitCode !== 0) throw new Error(`ours: ${line.join(" ")}: ${stderr}`);
    }
    return ours;
  }

  /** Runs a whole command line of one of the tools. */
  tool(line: readonly string[], files: ReadonlyMap<string, string> = new Map()): Promise<Answer> {
    const [tool, ...args] = line;
    const readFile = (name: string): Promise<string> => {
      const text = files.get(name);
      if (text === undefined) return Promise.reject(new Error("No such file or directory"));
      return Promise.resolve(text);
    };
    return perform({ tool: tool as Tool, args, terminal: false, readFile }, this.target);
  }

  /** What `ofproto/trace` prints; with bytes, or `-generate`, the switch learns from the packet. */
  trace(...args: readonly string[]): string {
    return formatTrace(traceCommand(this.target.control.bridges(), args));
  }

  translate(key: Uint32Array): Megaflow {
    const { pipeline } = this.target.control.bridge(BRIDGE)!;
    return pipeline.translate(key, { sideEffects: false });
  }
}
