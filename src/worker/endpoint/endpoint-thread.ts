// Entry of the threads of an endpoint: the loop of a queue, or a stopper, which calls Attach for
// the main thread. Both run the functions of src/models/endpoint as they are explored; what is real
// about them stands behind the cells `fd` and `stack`.
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { pathToFileURL } from "node:url";
import { nowMs } from "../../base/clock.js";
import { openKick, openQueueIo } from "../../host/open.js";
import { attach, detach, parameters, runLoop } from "../../models/endpoint/endpoint.js";
import { DESIGNS } from "../../models/endpoint/variants.js";
import { SyncAborted } from "../../sync/primitives.js";
import { THREAD, threadBlock } from "../../sync/program/layout.js";
import { bindProgramThread, type Device, setMembership } from "../../sync/program/thread.js";
import { slotOffset } from "../frame-pool.js";
import { threadId } from "../thread-id.js";
import { makeAnswers } from "./answers.js";
import { type EndpointMessage, type EndpointThreadData, LOOP, loopWord } from "./layout.js";
import type { StopperCommand } from "./layout.js";
import { QueueRegister, StopRegister } from "./queue-register.js";
import { contextOf, type MakeHandler, Stack } from "./stack.js";

async function main(data: EndpointThreadData): Promise<void> {
  // Before anything runs: the program's text has the parameters of an explored variant.
  Object.assign(parameters, DESIGNS[data.design], { queues: data.queues });
  const m = new Int32Array(data.memory);
  m[threadBlock(data.thread) + THREAD.tid] = threadId();
  if (data.role === "stopper") await beStopper(data, m);
  else await beLoop(data, m);
}

async function beLoop(data: EndpointThreadData, m: Int32Array): Promise<void> {
  const { handles: e, thread: loop, queue, pool, mac, address } = data;
  const io = await openQueueIo(data.backend);
  io.usePool(pool);
  const slot = slotOffset(loop);
  const cell = e.fd[loop]!;
  const group = e.wg[0]!;
  const readsPastStop = !parameters.checksStopEachRound;
  const place = { m, cell, loop, group, io, queue, pool, slot, mac, readsPastStop };
  const register = new QueueRegister(place);
  const ask = () => post({ type: "asks" });
  const make = await handlerOf(data.handler);
  const handler = make(contextOf({ m, loop, io, queue, mac, address, ask }));
  const onError = (message: string) => post({ type: "handler-failed", message });
  const lengthOf = () => register.length;
  const stack = new Stack({ m, cell: e.stack, loop, pool, slot, lengthOf, onError }, handler);
  const devices = new Map<number, Device>([
    [cell, register],
    [e.stack, stack],
  ]);
  bindProgramThread({ memory: m, thread: loop, devices });
  m[loopWord(loop, LOOP.stopHandle)] = io.stopHandle;
  post({ type: "ready" });
  ending(null, () => {
    for (let round = 0; ; round++) {
      runLoop(e, loop, round);
      setMembership(0);
    }
  });
  io.close();
}

async function handlerOf(path: string | null): Promise<MakeHandler> {
  if (path === null) return makeAnswers;
  const made = (await import(pathToFileURL(path).href)) as { default: MakeHandler };
  return made.default;
}

async function beStopper(data: EndpointThreadData, m: Int32Array): Promise<void> {
  const { handles: e, thread } = data;
  const kick = await openKick(data.backend);
  const registers = e.fd.map((cell, loop): [number, Device] => {
    const wake = () => kick(Atomics.load(m, loopWord(loop, LOOP.stopHandle)));
    return [cell, new StopRegister(m, cell, wake)];
  });
  bindProgramThread({ memory: m, thread, devices: new Map(registers) });
  parentPort!.on("message", ({ id, op }: StopperCommand) => {
    if (op === "end") {
      parentPort!.close();
      return;
    }
    const startMs = nowMs();
    ending(id, () => {
      if (op === "attach") attach(e);
      else detach(e);
      post({ type: "done", id, ms: nowMs() - startMs });
    });
  });
  post({ type: "ready" });
}

/** Does something to its end, or to the end of the endpoint. @param id the command it is for. */
function ending(id: number | null, work: () => void): void {
  try {
    work();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (!(error instanceof SyncAborted) || id !== null) post({ type: "failed", id, message });
  }
}

function post(message: EndpointMessage): void {
  parentPort!.postMessage(message);
}

if (!isMainThread && parentPort !== null) await main(workerData as EndpointThreadData);
