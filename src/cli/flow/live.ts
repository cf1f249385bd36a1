// `packetpath flow trace --live PORT`: asks a running switch for the trace of the next frame that
// one of its ports gets, over its control socket. Main thread only.
import { createConnection } from "node:net";
import { PacketpathError } from "../../base/errors.js";
import { socketOfRunning } from "../../vswitch/socket/registry.js";
import type { Answer } from "../../vswitch/verbs/call.js";

/**
 * @returns the trace as text, or as JSON.
 * @throws PacketpathError ENVIRONMENT when no switch runs; FLOW_INVALID with its refusal.
 */
export async function traceLive(port: string, json: boolean): Promise<string> {
  const args = ["packetpath/trace-live", port, ...(json ? ["--json"] : [])];
  const answer = await ask(socketOfRunning(), { tool: "ovs-appctl", args, terminal: false });
  if (answer.exitCode === 0) return answer.stdout;
  throw new PacketpathError("FLOW_INVALID", answer.stderr.split("\n")[0]!);
}

/** One question, one answer: lines of JSON. */
function ask(path: string, request: object): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void =>
      reject(new PacketpathError("ENVIRONMENT", `${path}: ${why}`));
    const socket = createConnection(path, () => socket.write(`${JSON.stringify(request)}\n`));
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (data: string) => {
      text += data;
      const end = text.indexOf("\n");
      if (end < 0) return;
      resolve(JSON.parse(text.slice(0, end)) as Answer);
      socket.destroy();
    });
    socket.on("error", (error) => refuse(error.message));
    socket.on("close", () => refuse("the switch ended before it answered"));
  });
}
