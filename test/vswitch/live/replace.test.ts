// A flow table that is replaced a thousand times while datagrams flow through it, on real devices.
// Each version tags a datagram twice, in two tables: source port in the first, source address in
// the second. A datagram with the tags of two versions has seen half a change.
import { type ChildProcess, spawn } from "node:child_process";
import { createConnection, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../../../src/base/eventually.js";
import type { Answer } from "../../../src/vswitch/verbs/call.js";
import { endAll, has, hostState, Program, ROOT } from "../../e2e/program.js";
import { NEEDS_ROOT, needsRoot } from "../../host/linux-support.js";

const unable = NEEDS_ROOT || !has("ip");
const needs = NEEDS_ROOT ? needsRoot : unable ? " (needs iproute2)" : "";
const REPLACEMENTS = 1000;
const PORT = 4000;

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await endAll();
});

/** A program in a namespace, with what it has printed. */
function beside(namespace: string, ...args: readonly string[]) {
  const command = ["netns", "exec", namespace, process.execPath, ...args];
  const child = spawn("ip", command, { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  const state = { child, output: "", ended: false };
  child.stdout.on("data", (data: Buffer) => (state.output += data.toString()));
  child.on("close", () => (state.ended = true));
  return state;
}

async function lastLine(state: ReturnType<typeof beside>): Promise<unknown> {
  state.child.stdin!.end();
  await eventually("the program to end", () => state.ended, { timeoutMs: 60_000, everyMs: 20 });
  return JSON.parse(state.output.trim().split("\n").at(-1)!);
}

/** One connection to a control socket; requests one after the other. */
class Control {
  private readonly socket: Socket;
  private text = "";
  private file = "";
  private answered: (answer: Answer) => void = () => undefined;

  constructor(path: string) {
    this.socket = createConnection(path);
    this.socket.on("data", (data: Buffer) => this.take(data.toString()));
  }

  ofctl(args: readonly string[], file: string): Promise<Answer> {
    this.file = file;
    const answer = new Promise<Answer>((resolve) => (this.answered = resolve));
    this.socket.write(`${JSON.stringify({ tool: "ovs-ofctl", args, terminal: false })}\n`);
    return answer;
  }

  close(): void {
    this.socket.destroy();
  }

  private take(data: string): void {
    this.text += data;
    for (let at = this.text.indexOf("\n"); at >= 0; at = this.text.indexOf("\n")) {
      const message = JSON.parse(this.text.slice(0, at)) as Answer | { read: string };
      this.text = this.text.slice(at + 1);
      if ("read" in message) this.socket.write(`${JSON.stringify({ text: this.file })}\n`);
      else this.answered(message);
    }
  }
}

const TAGS = [
  ["10.0.0.101", 1001],
  ["10.0.0.102", 1002],
] as const;

/** Version 0 or 1 of the tables; both deliver, each with its own two tags. */
function flowsOf(version: number): string {
  const [address, port] = TAGS[version]!;
  return [
    "priority=1,arp,actions=normal",
    `priority=2,udp,in_port=1,actions=mod_tp_src:${port},resubmit(,1)`,
    `table=1,priority=${10 + version},udp,actions=mod_nw_src:${address},output:2`,
  ].join("\n");
}

/** By turns as one bundle that deletes everything first, and as replace-flows. */
async function replace(control: Control, round: number): Promise<void> {
  const flows = flowsOf(round % 2);
  const answer =
    round % 4 < 2
      ? await control.ofctl(["replace-flows", "br0", "flows"], flows)
      : await control.ofctl(
          ["-O", "OpenFlow14", "--bundle", "add-flows", "br0", "flows"],
          `delete\n${flows}`,
        );
  if (answer.exitCode !== 0) throw new Error(answer.stderr);
}

describe("a flow table under load", () => {
  it.skipIf(unable)(
    `is replaced ${REPLACEMENTS} times: nothing lost, nothing by halves${needs}`,
    async () => {
      const before = hostState();
      const up = new Program(["up", "scenarios/two-hosts.yaml", "--set", "workers=2"]);
      await up.says("Ctrl-C removes");
      const control = new Control(/control socket.*: (\S+)/.exec(up.stdout)![1]!);
      await replace(control, 0);
      const receiver = beside("server", "test/vswitch/live/receiver.mjs", String(PORT));
      await eventually("the receiver", () => receiver.output.includes("listening"), {
        timeoutMs: 60_000,
      });
      const sender = beside(
        "client",
        "test/vswitch/live/sender.mjs",
        "10.0.0.2",
        String(PORT),
        "4",
      );
      receiver.child.stdout.on("data", (data: Buffer) => {
        const counts = data.toString().match(/^\d+\n/gm) ?? [];
        if (counts.length > 0 && sender.child.stdin.writable) {
          sender.child.stdin.write(counts.at(-1)!);
        }
      });
      for (let round = 1; round <= REPLACEMENTS; round++) await replace(control, round);
      const { sent } = (await lastLine(sender)) as { sent: number };
      receiver.child.stdin.write(`${sent}\n`);
      await eventually("all datagrams", () => receiver.ended, { timeoutMs: 60_000 }).catch(() => 0);
      const result = (await lastLine(receiver)) as Record<string, unknown>;
      control.close();
      const from = result["from"] as Record<string, number>;
      expect({ ...result, from: Object.keys(from).sort() }).toEqual({
        received: sent,
        twice: 0,
        from: TAGS.map(([address, port]) => `${address}:${port}`),
      });
      expect(sent).toBeGreaterThan(REPLACEMENTS);
      up.child.kill("SIGINT");
      expect(await up.ended()).toBe(130);
      expect(hostState()).toEqual(before);
    },
  );
});
