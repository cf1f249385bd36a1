// Carries the faults of a scenario out: waits for each trigger, strikes (again and again if it
// repeats, plugging in what it took away), undoes at the end of the lease, and measures how many
// frames each decided about. Main thread.
import { isDue, type Progress, triggerText } from "../fault/trigger.js";
import { type FaultPlan, planFault, type Step } from "../fault/plan.js";
import { EXIT, PacketpathError } from "../base/errors.js";
import { nowMs } from "../base/clock.js";
import type { FaultReport } from "../report/types.js";
import type { LinkStats } from "../host/types.js";
import type { Lab } from "./lab.js";
import { faultDrops, portTraffic } from "./books.js";
import type { Timeline } from "./record/timeline.js";
import type { ScenarioFault } from "./types.js";

/** An administrator's command takes milliseconds; one that waits for a lost CPU takes for ever. */
const COMMAND_TIMEOUT_MS = 30_000;
/** How long an outsider's deletion may go unnoticed. */
const NOTICE_TIMEOUT_MS = 30_000;

/** Faults whose touched frames are those that pass while it lasts, not those that are lost. */
const SHAPING = /^(queue-|txqueuelen|worker-stall|carrier-on|link-up)/;

interface FaultState {
  readonly fault: ScenarioFault;
  readonly plan: FaultPlan;
  firedAtMs: number | null;
  times: number;
  framesTouched: number;
  baseline: number;
  done: boolean;
}

/** Thrown inside the driver to leave a fault that can no longer be carried out. */
class Interrupted extends Error {}

export class FaultDriver {
  private readonly lab: Lab;
  private readonly timeline: Timeline;
  private readonly states: FaultState[];
  private readonly running: Promise<void>[] = [];
  /** Called after ports were plugged in again. */
  onReplug: () => void = () => undefined;
  stuck: string | null = null;
  private stopped = false;
  failure: Error | null = null;

  constructor(lab: Lab, timeline: Timeline) {
    this.lab = lab;
    this.timeline = timeline;
    this.states = lab.scenario.faults.map((fault) => ({
      fault,
      plan: planFault(fault, lab.topology),
      firedAtMs: null,
      times: 0,
      framesTouched: 0,
      baseline: 0,
      done: false,
    }));
  }

  /** Starts every fault whose trigger holds and that has not struck yet. */
  look(progress: Progress): void {
    for (const state of this.states) {
      if (state.firedAtMs !== null || this.stopped || !isDue(state.fault.at, progress)) continue;
      state.firedAtMs = this.timeline.msOf();
      this.running.push(this.carryOut(state));
    }
  }

  /** Whether every fault has struck for the last time and is healed. */
  finished(): boolean {
    return this.states.every((state) => state.done);
  }

  /** Whether a fault waits for a moment that still comes when the requests are over. */
  pending(): boolean {
    return this.states.some(
      ({ firedAtMs, fault }) => firedAtMs === null && fault.at.on === "afterMs",
    );
  }

  /** Whether every fault that has struck is done with. */
  settled(): boolean {
    return this.states.every((state) => state.firedAtMs === null || state.done);
  }

  stop(): void {
    this.stopped = true;
  }

  private async carryOut(state: FaultState): Promise<void> {
    const times = state.fault.repeat?.times ?? 1;
    try {
      for (let i = 0; i < times && !this.stopped; i++) {
        if (i > 0) await this.recover(state);
        await this.strike(state);
      }
      if (state.fault.leaseMs !== null) {
        await this.pause(state.fault.leaseMs);
        await this.heal(state);
      }
    } catch (error) {
      if (!(error instanceof Interrupted)) {
        this.failure = error instanceof Error ? error : new Error(String(error));
      }
    }
    state.done = true;
  }

  private async strike(state: FaultState): Promise<void> {
    const { fault, plan } = state;
    this.measure(state);
    state.baseline = this.level(state);
    this.timeline.note({
      thread: "main",
      cpu: -1,
      what: `fault ${fault.kind} ${fault.target}`,
      device: null,
      fields: { times: state.times + 1 },
    });
    state.times++;
    await this.perform(plan.strike);
  }

  /** Between two strikes: ill for its lease (or half of the period), then well for the rest. */
  private async recover(state: FaultState): Promise<void> {
    const everyMs = state.fault.repeat?.everyMs ?? 0;
    const illMs = Math.min(state.fault.leaseMs ?? everyMs / 2, everyMs);
    await this.pause(illMs);
    await this.heal(state);
    await this.pause(everyMs - illMs);
  }

  // Undoes what can be undone and plugs in again what was taken away: without it, a port that was
  // deleted once could not be deleted a second time.
  private async heal(state: FaultState): Promise<void> {
    await this.perform(state.plan.undo);
    for (const port of state.plan.replug) {
      await this.command({ do: "control", action: { op: "plug", port } });
    }
    if (state.plan.replug.length > 0) this.onReplug();
  }

  private async perform(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (step.do === "wait") await this.pause(step.ms);
      else if (step.do === "stall") this.lab.supervisor.stallWorker(step.worker, step.ms);
      else if (step.do === "control") await this.command(step);
      else await this.actAsOutsider(step);
    }
    if (steps.some((step) => step.do === "control" && step.action.op === "plug")) this.onReplug();
  }

  private async command(step: Step & { do: "control" }): Promise<void> {
    const answer = this.lab.supervisor.command(step.action);
    const result = await this.bounded(answer, step.action.op);
    if (result === null) return;
    throw new PacketpathError("INTERNAL", `${step.action.op}: ${result}`);
  }

  private async bounded<T>(answer: Promise<T>, what: string): Promise<T> {
    const deadline = nowMs() + COMMAND_TIMEOUT_MS;
    let settled = false;
    const noted = answer.finally(() => (settled = true));
    while (!settled) {
      if (this.stopped) throw new Interrupted();
      if (nowMs() > deadline) {
        this.stuck = what;
        throw new Interrupted();
      }
      await Promise.race([noted, new Promise((resolve) => setTimeout(resolve, 20))]);
    }
    return noted;
  }

  // An outsider has no control thread: the real device goes, and the switch must notice.
  private async actAsOutsider(step: Step): Promise<void> {
    const ports =
      step.do === "outsider-delete"
        ? [step.port]
        : step.do === "outsider-netns-delete"
          ? this.portsOf(step.namespace)
          : [];
    const refs = ports.map((name) => this.device(name));
    const generation = this.lab.supervisor.linksNoticed;
    for (const ref of refs) if (ref !== null) this.lab.backend.deleteDevice(ref);
    if (step.do === "outsider-netns-delete") {
      const namespace = this.lab.topology.namespaces.get(step.namespace)!;
      this.lab.backend.unlinkNamespace(namespace.ref);
    }
    const deadline = nowMs() + NOTICE_TIMEOUT_MS;
    while (this.lab.supervisor.linksNoticed < generation + refs.length) {
      if (this.stopped) throw new Interrupted();
      if (nowMs() > deadline) {
        // A control thread that waits for a locked-up CPU cannot notice anything any more.
        await this.pingControl();
        throw new PacketpathError("INTERNAL", "an outsider's deletion went unnoticed", {
          fix: `Report this: exit code ${EXIT.internal} is a defect of packetpath.`,
        });
      }
      await this.pause(2);
    }
    // The control thread acts on what it noticed before it takes its next command.
    await this.pingControl();
  }

  private async pingControl(): Promise<void> {
    await this.command({ do: "control", action: { op: "ping" } });
  }

  private portsOf(namespace: string): string[] {
    const { number } = this.lab.topology.namespaces.get(namespace)!;
    const ports = this.lab.topology.ports.filter((port) => port.netns === number);
    return ports.filter((port) => port.device !== null).map((port) => port.name);
  }

  private device(port: string) {
    return this.lab.supervisor.devices.find((device) => device.name === port)?.ref ?? null;
  }

  private async pause(ms: number): Promise<void> {
    const end = nowMs() + ms;
    while (nowMs() < end) {
      if (this.stopped) throw new Interrupted();
      await new Promise((resolve) => setTimeout(resolve, Math.min(20, end - nowMs())));
    }
  }

  private level(state: FaultState): number {
    const { counters, scenario, supervisor, backend } = this.lab;
    if (SHAPING.test(state.fault.kind)) return portTraffic(counters, state.plan.affects);
    let lost = faultDrops(counters, scenario.ports);
    for (const device of supervisor.devices) {
      if (device.ref === null || !state.plan.affects.includes(device.number)) continue;
      const stats: LinkStats | null = backend.linkStats(device.ref);
      if (stats !== null) lost += stats.txDropped;
    }
    return lost;
  }

  /** Adds what the fault has touched since its last strike. */
  private measure(state: FaultState): void {
    if (state.times === 0) return;
    state.framesTouched += Math.max(0, this.level(state) - state.baseline);
    state.baseline = this.level(state);
  }

  /** At the end of the run, before the devices go. */
  report(): FaultReport[] {
    return this.states.map((state) => {
      this.measure(state);
      const { kind, target, at } = state.fault;
      const { firedAtMs, times, framesTouched } = state;
      return { kind, target, at: triggerText(at), firedAtMs, times, framesTouched };
    });
  }

  /** A fault that should have touched frames and did not, or never struck; null: all is well. */
  ineffective(): string | null {
    for (const state of this.states) {
      const { kind, target, at, expectsEffect } = state.fault;
      if (state.firedAtMs === null) {
        return `the fault ${kind} ${target} never struck: ${at.on} did not reach ${at.value}`;
      }
      if (expectsEffect && state.framesTouched === 0) {
        return `the fault ${kind} ${target} touched no frame`;
      }
    }
    return null;
  }
}
