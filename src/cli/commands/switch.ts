// `packetpath switch`: a switch in memory, without root and without devices, that speaks the
// language of the Open vSwitch tools until it is told to stop. Main thread only.
import type { Command } from "commander";
import { EXIT } from "../../base/errors.js";
import { writeOut } from "../failure.js";
import { collect } from "../input.js";
import { listenForStop } from "../signals.js";

interface SwitchFlags {
  readonly bridge: readonly string[];
}

export function addSwitchCommand(program: Command, exit: (code: number) => void): void {
  program
    .command("switch")
    .summary("run a switch in memory for ovs-vsctl, ovs-ofctl and ovs-appctl")
    .description(
      "Runs a switch with ports in memory until Ctrl-C. The tools of Open vSwitch in " +
        "native-free-shims/ovs speak to it: put that folder first on PATH.",
    )
    .option("--bridge <name>", "a bridge to begin with, fail mode secure (repeatable)", collect, [])
    .addHelpText(
      "after",
      "\nExample:\n  packetpath switch --bridge br0 &\n" +
        "  PATH=$PWD/native-free-shims/ovs:$PATH\n  ovs-ofctl add-flow br0 actions=normal",
    )
    .action(async (flags: SwitchFlags) => exit(await runSwitch(flags)));
}

async function runSwitch(flags: SwitchFlags): Promise<number> {
  const { dummyTarget } = await import("../../vswitch/dummy/target.js");
  const { serve } = await import("../../vswitch/socket/server.js");
  const { socketPath } = await import("../../vswitch/socket/registry.js");
  const { perform } = await import("../../vswitch/verbs/dispatch.js");
  const stop = listenForStop((text) => process.stderr.write(`${text}\n`));
  let onExit = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    onExit = resolve;
    stop.signal.addEventListener("abort", () => resolve());
  });
  const target = dummyTarget({
    onExit,
    logFolder: process.env["OVS_LOGDIR"] ?? "",
    onNote: (text) => process.stderr.write(`packetpath: ${text}\n`),
  });
  const server = await serve(socketPath(), target);
  try {
    for (const name of flags.bridge) {
      const args = ["add-br", name, "--", "set-fail-mode", name, "secure"];
      const readFile = (): Promise<string> => Promise.resolve("");
      const answer = await perform({ tool: "ovs-vsctl", args, terminal: false, readFile }, target);
      if (answer.exitCode !== 0) {
        await writeOut(process.stderr, answer.stderr);
        return EXIT.badInput;
      }
    }
    await writeOut(process.stdout, `${server.path}\n`);
    await ended;
    return stop.exitCode() ?? EXIT.asExpected;
  } finally {
    await server.close();
    stop.release();
  }
}
