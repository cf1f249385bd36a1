// What the linux tests share: whether they can run here, and a frame to send.
import { accessSync, constants } from "node:fs";

function canMakeDevices(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

export const NEEDS_ROOT = !canMakeDevices();
/** Goes into a test's name, so that a skip says why. */
export const needsRoot = NEEDS_ROOT ? " (needs root and /dev/net/tun)" : "";

/** A broadcast ARP request, 42 bytes. */
export function arpRequest(from: string, to: string): Uint8Array {
  const frame = new Uint8Array(42);
  const mac = [2, 0, 0, 0, 0, 2];
  const header = [0, 1, 8, 0, 6, 4, 0, 1];
  frame.set([255, 255, 255, 255, 255, 255, ...mac, 8, 6, ...header, ...mac]);
  frame.set(from.split(".").map(Number), 28);
  frame.set(to.split(".").map(Number), 38);
  return frame;
}
