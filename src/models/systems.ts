// The systems whose variants `packetpath matrix --system` lists. Data; any thread.
import type { VariedSystem } from "packetpath/explore";
import { endpoint } from "./endpoint/variants.js";
import { netns } from "./netns/variants.js";
import { socket } from "./socket/variants.js";
import { softirq } from "./softirq/variants.js";
import { toa } from "./toa/variants.js";

export const SYSTEMS: readonly VariedSystem[] = [endpoint, toa, softirq, socket, netns];
