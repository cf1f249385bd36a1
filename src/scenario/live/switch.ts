// A running lab as a switch that the tools of Open vSwitch can speak to. Main thread only.
import { PacketpathError } from "../../base/errors.js";
import { SwitchClock } from "../../vswitch/clock.js";
import type { BridgeControl, SwitchControl } from "../../vswitch/control.js";
import { SwitchLog } from "../../vswitch/log/log.js";
import type { GivesFrames } from "../../vswitch/live-frame.js";
import { expire } from "../../vswitch/expiry.js";
import type { Lab } from "../lab.js";
import { LabBridge } from "./bridge.js";

/** How often time-outs are looked at when nobody asks. */
const EXPIRE_MS = 500;

export class LabSwitch implements SwitchControl, GivesFrames {
  readonly kind = "lab";
  /** Never stopped: what is real has real time. */
  readonly clock = new SwitchClock();
  readonly log = new SwitchLog(process.env["OVS_LOGDIR"]);
  readonly bridge: LabBridge;
  private readonly lab: Lab;
  private readonly timer: NodeJS.Timeout;
  private readonly onExit: () => void;
  /** The first thing that went wrong when nobody waited for it. */
  failure: Error | null = null;

  constructor(lab: Lab, onExit: () => void) {
    this.lab = lab;
    this.bridge = new LabBridge(lab);
    this.onExit = onExit;
    this.timer = setInterval(() => {
      this.run().catch((error: unknown) => {
        this.failure ??= error instanceof Error ? error : new Error(String(error));
      });
    }, EXPIRE_MS);
  }

  bridges(): readonly LabBridge[] {
    return [this.bridge];
  }

  receive(_bridge: BridgeControl, _port: number, _frame: Uint8Array): void {
    throw new PacketpathError("USAGE", "frames come from the ports of this switch, which are real");
  }

  nextFrame(port: number, timeoutMs: number): Promise<Uint8Array | null> {
    return this.lab.supervisor.changer.nextFrame(port, timeoutMs);
  }

  run(): Promise<void> {
    return expire(this.bridge, this.clock);
  }

  exit(): void {
    this.onExit();
  }

  /** No more looking at time-outs; before the workers are stopped. */
  close(): void {
    clearInterval(this.timer);
  }
}
