// The process of ovs-ofctl monitor: it detaches, is asked with ovs-appctl -t, leaves nothing
// behind, and ends with the switch.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../../../src/base/eventually.js";
import { type ControlServer, serve } from "../../../src/vswitch/socket/server.js";
import { ROOT } from "../../e2e/program.js";
import { tools, type Tools } from "../tools.js";

const TIMEOUT_MS = 60_000;
const FRAME = "50540000000a50540000000912340102";
let folder: string;
let server: ControlServer | null = null;
let own: Tools;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "packetpath-monitor-"));
  own = await tools([1, 2]);
  server = await serve(join(folder, "packetpath.ctl"), own.target);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await server?.close();
  server = null;
  rmSync(folder, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  text(): string;
  ended: Promise<number | null>;
}

function start(tool: string, ...args: readonly string[]): Running {
  const env = { ...process.env, OVS_RUNDIR: folder, PACKETPATH_CTL: "" };
  const child = spawn(join(ROOT, "native-free-shims/ovs", tool), args, { env });
  children.push(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data: Buffer) => (text += data.toString()));
  }
  // "exit": a process that has detached still has our end of its standard error.
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  return { child, text: () => text, ended };
}

async function run(tool: string, ...args: readonly string[]): Promise<string> {
  const running = start(tool, ...args);
  const code = await running.ended;
  await eventually("its output", () => running.child.stdout!.destroyed, { timeoutMs: TIMEOUT_MS });
  return `${running.text()}${code}`;
}

function pid(): number {
  return Number(readFileSync(join(folder, "ovs-ofctl.pid"), "utf8"));
}

/** Gone, or waiting for an init process that takes its time to reap it. */
function isGone(process: number): boolean {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${process}/status`, "utf8"));
  } catch {
    return true;
  }
}

describe("ovs-ofctl monitor", () => {
  it("detaches, prints to where it is told, and leaves when it is told", async () => {
    const { ended } = start("ovs-ofctl", "monitor", "br0", "65534", "--detach", "--pidfile");
    expect(await ended).toBe(0);
    const daemon = pid();
    const log = join(folder, "log");
    const ask = (...args: string[]) => run("ovs-appctl", "-t", "ovs-ofctl", ...args);
    expect(await ask("ofctl/set-output-file", log)).toBe("0");
    expect(await ask("ofctl/block")).toBe("0");
    expect(await ask("ofctl/block")).toBe("already blocking\n0");
    await own.ok(`ovs-appctl netdev-dummy/receive p1 ${FRAME}`);
    expect(await ask("ofctl/unblock")).toBe("0");
    expect(await ask("ofctl/foo")).toMatch(/"ofctl\/foo" is not a valid command\n.*\n2$/);
    await own.ok(`ovs-appctl netdev-dummy/receive p2 ${FRAME}`);
    expect(await ask("exit")).toBe("0");
    expect(readFileSync(log, "utf8").match(/in_port=\d/g)).toEqual(["in_port=1", "in_port=2"]);
    await eventually("its end", () => isGone(daemon), { timeoutMs: TIMEOUT_MS });
    expect(readdirSync(folder).filter((name) => name.startsWith("ovs-ofctl"))).toEqual([]);
  });

  it("two cannot have the same pidfile", async () => {
    const { ended } = start("ovs-ofctl", "monitor", "br0", "--detach", "--pidfile");
    expect(await ended).toBe(0);
    const second = await run("ovs-ofctl", "monitor", "br0", "--pidfile");
    expect(second).toContain(`already running as pid ${pid()}, aborting\n1`);
    expect(await run("ovs-appctl", "-t", "ovs-ofctl", "exit")).toBe("0");
  });

  it("ends with the switch, and with the bridge", async () => {
    const one = start("ovs-ofctl", "monitor", "br0");
    const isThere = (): boolean => !own.target.control.bridge("br0")!.controllers.isEmpty;
    await eventually("the first", isThere, { timeoutMs: TIMEOUT_MS });
    await own.ok("ovs-vsctl del-br br0");
    expect(await one.ended).toBe(1);
    expect(one.text()).toContain("ovs-ofctl: vconn_recv (End of file)");
    await own.ok("ovs-vsctl add-br br0");
    const two = start("ovs-ofctl", "monitor", "br0");
    await eventually("the second", isThere, { timeoutMs: TIMEOUT_MS });
    await server!.close();
    server = null;
    expect(await two.ended).toBe(1);
  });

  it("that is killed is forgotten by the switch", async () => {
    const { child } = start("ovs-ofctl", "monitor", "br0", "65534");
    const { controllers } = own.target.control.bridge("br0")!;
    await eventually("it", () => !controllers.isEmpty, { timeoutMs: TIMEOUT_MS });
    child.kill("SIGKILL");
    await eventually("its end", () => controllers.isEmpty, { timeoutMs: TIMEOUT_MS });
    await own.ok(`ovs-appctl netdev-dummy/receive p1 ${FRAME}`);
  });
});
