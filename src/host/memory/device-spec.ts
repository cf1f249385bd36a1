// Checks what is asked of a new device, as the kernel would; the error names the thing, the value
// and the limit. Main and control threads.
import { isIP } from "node:net";
import { PacketpathError } from "../../base/errors.js";
import type { DeviceSpec } from "../types.js";
import { QUEUES_PER_DEVICE_MAX } from "./layout.js";

const MTU_MIN = 68;
const MTU_MAX = 65521;
const NAME_LENGTH_MAX = 15;

/** @throws PacketpathError SYSTEM_CALL when a kernel would refuse the device. */
export function checkSpec(spec: DeviceSpec): void {
  const fail = (what: string): never => {
    throw new PacketpathError("SYSTEM_CALL", `device ${spec.name}: ${what}`);
  };
  const isNameValid = /^[^\s/:]+$/.test(spec.name) && spec.name !== "." && spec.name !== "..";
  if (!isNameValid || spec.name.length > NAME_LENGTH_MAX) {
    fail(`EINVAL, a name has 1 to ${NAME_LENGTH_MAX} characters, none of them "/", ":" or blank`);
  }
  if (!isWhole(spec.queues, 1, QUEUES_PER_DEVICE_MAX)) {
    fail(`E2BIG, ${spec.queues} queues; a device has 1 to ${QUEUES_PER_DEVICE_MAX}`);
  }
  if (!isWhole(spec.mtu, MTU_MIN, MTU_MAX)) {
    fail(`EINVAL, mtu ${spec.mtu}; it must be ${MTU_MIN} to ${MTU_MAX}`);
  }
  if (!isWhole(spec.txQueueLen, 0, 0x7fffffff)) fail(`EINVAL, txqueuelen ${spec.txQueueLen}`);
  if (spec.offloads && !spec.vnetHeader) fail("EINVAL, offloads need the vnet header");
  if (spec.mode === "tap" && spec.mac !== null) checkMac(spec.mac, fail);
  for (const address of spec.addresses) checkAddress(address, fail);
  for (const gateway of spec.gateways) {
    if (isIP(gateway) === 0) fail(`EINVAL, gateway ${gateway} is not an IP address`);
  }
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function checkMac(mac: string, fail: (what: string) => never): void {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) fail(`EINVAL, MAC address ${mac}`);
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1) {
    fail(`EADDRNOTAVAIL, ${mac} is a group address`);
  }
}

function checkAddress(address: string, fail: (what: string) => never): void {
  const [ip = "", prefix = "", rest] = address.split("/");
  const family = isIP(ip);
  const bits = family === 4 ? 32 : 128;
  if (family === 0 || rest !== undefined || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) {
    fail(`EINVAL, address ${address} is not an address with a prefix length (10.0.0.1/24)`);
  }
}
