// Entry of a stack thread: the protocol stack of one namespace of the memory backend, and the
// roles that run on it. One plain Worker per namespace that carries load, started by hosts.ts.
//
// It never returns to its event loop until it is told to close: commands are taken from the port
// synchronously, and the main thread kicks the bell on which this thread sleeps.
import { receiveMessageOnPort, workerData, type MessagePort } from "node:worker_threads";
import { nowMs } from "../../base/clock.js";
import { PacketpathError } from "../../base/errors.js";
import { openMemoryHostSide } from "../../host/memory/backend.js";
import { Ping, UdpReceiver, UdpSender } from "./datagrams.js";
import { HttpClient } from "./http-client.js";
import { HttpServer } from "./http-server.js";
import { IpStack } from "./ip-stack.js";
import type { Activity, Answer, Command, Role, StackThreadData } from "./protocol.js";
import { Tcp } from "./tcp.js";

const FRAMES_PER_PASS = 64;
const TICK_MS = 20;
/** Without anything to do, look at the devices' state so often. */
const IDLE_MS = 200;
const COMMANDS_PER_PASS_MAX = 64;

const { descriptor, namespace, devices, port } = workerData as StackThreadData & {
  port: MessagePort;
};
const side = openMemoryHostSide(descriptor);
const ip = new IpStack(side, namespace.handle);
const tcp = new Tcp(ip, side, namespace.handle);
const activities = new Map<number, Activity>();
let isClosing = false;

function say(answer: Answer): void {
  port.postMessage(answer);
}

function activityOf(id: number, role: Role, words: Int32Array): Activity {
  switch (role.kind) {
    case "http-server":
      return new HttpServer(tcp, role.spec, words);
    case "http-client":
      return new HttpClient(tcp, role.spec, words);
    case "udp-sender":
      return new UdpSender(ip, role.spec, words);
    case "udp-receiver":
      return new UdpReceiver(ip, role.spec, words);
    case "ping":
      return new Ping(ip, role.spec, words, id);
  }
}

function start(id: number, role: Role, counters: SharedArrayBuffer): void {
  try {
    activities.set(id, activityOf(id, role, new Int32Array(counters)));
    say({ type: "started", id });
  } catch (error) {
    if (!(error instanceof PacketpathError)) throw error;
    say({ type: "refused", id, code: error.code, message: error.message });
  }
}

function obey(command: Command): void {
  if (command.type === "start") start(command.id, command.role, command.counters);
  else if (command.type === "stop") activities.get(command.id)?.stop(nowMs());
  else if (command.type === "devices") ip.setDevices(command.devices);
  else isClosing = true;
}

function takeCommands(): void {
  for (let i = 0; i < COMMANDS_PER_PASS_MAX; i++) {
    const received = receiveMessageOnPort(port) as { message: Command } | undefined;
    if (received === undefined) return;
    obey(received.message);
  }
}

/** One step of every role. Returns whether one of them has more to do at once. */
function stepAll(now: number): boolean {
  let isBusy = false;
  for (const [id, activity] of activities) {
    if (activity.step(now)) isBusy = true;
    if (!activity.isDone) continue;
    activities.delete(id);
    say({ type: "result", id, result: activity.result() });
  }
  return isBusy;
}

function sleepMs(now: number): number {
  let next = now + (tcp.connectionCount > 0 || !ip.isSettled ? TICK_MS : IDLE_MS);
  for (const activity of activities.values()) next = Math.min(next, activity.nextMs(now));
  return Math.max(0, next - now);
}

function run(): void {
  let tickMs = 0;
  while (!isClosing) {
    const now = nowMs();
    tcp.nowMs = now;
    if (now - tickMs >= TICK_MS) {
      tickMs = now;
      side.setJiffies(now);
      ip.tick(now);
      tcp.tick(now);
    }
    takeCommands();
    const received = ip.poll(FRAMES_PER_PASS);
    const isBusy = stepAll(now);
    tcp.flushAcks();
    if (received === 0 && !isBusy) side.wait(sleepMs(now));
  }
}

ip.onEchoReply = (source, identifier, sequence) => {
  const now = nowMs();
  for (const activity of activities.values()) {
    if (activity instanceof Ping) activity.replied(source, identifier, sequence, now);
  }
};
ip.setDevices(devices);
say({ type: "ready", stopHandle: side.stopHandle });
run();
side.close();
port.close();
