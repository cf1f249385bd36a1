// The public API of the npm package tuntap2 (Tap, Tun, tuntap), without a native addon, and the
// low-level functions that packetpath's data plane opens its queues with.
import { Tap, Tun } from "./device.js";

export { Tap, Tun };
export { setFlowSteering } from "./steering.js";
export {
  QUEUES_MAX,
  VNET_HEADER_BYTES,
  deviceName,
  deviceNetns,
  openDevice,
  setCarrier,
  setPersist,
  setQueueAttached,
} from "./open-device.js";

/** Length of a dotted netmask. Throws upstream's strings. */
function prefixLength(mask) {
  const octets = String(mask).split(".");
  if (octets.length !== 4) throw "illegal net mask!";
  const bits = octets.map((octet) => (Number(octet) & 0xff).toString(2).padStart(8, "0")).join("");
  const sound = octets.every((octet) => /^\d{1,3}$/.test(octet) && Number(octet) <= 255);
  if (!sound || !/^1*0*$/.test(bits)) throw "illegal netmask";
  return bits.indexOf("0") < 0 ? 32 : bits.indexOf("0");
}

/** The call of the older package `node-tuntap`; `dest persist ethtype_comp running` are ignored. */
export function tuntap(options) {
  if (options.name) throw "setting a name of a tuntap device is not supported";
  if (options.type !== "tun" && options.type !== "tap") throw `illegal type ${options.type}`;
  const prefix = options.mask ? prefixLength(options.mask) : 32;
  const device = options.type === "tap" ? new Tap() : new Tun();
  try {
    if (options.mtu) device.mtu = options.mtu;
    if (options.addr) device.ipv4 = `${options.addr}/${prefix}`;
    if (options.up) device.isUp = true;
  } catch (error) {
    device.release();
    throw error;
  }
  return device;
}
