// What a switch with real ports can give a trace: the next frame that comes in at one of them.
// Main thread.
import type { SwitchControl } from "./control.js";

export interface GivesFrames {
  /** @returns a copy of the frame, or null when none came within `timeoutMs`. */
  nextFrame(port: number, timeoutMs: number): Promise<Uint8Array | null>;
}

export function givesFrames(control: SwitchControl): control is SwitchControl & GivesFrames {
  return "nextFrame" in control;
}
