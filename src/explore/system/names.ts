// What the words of the explored kernel are called, from the layout tables of `src/path`.
import {
  CALLBACK_RING_SIZE,
  callbackRing,
  CPU,
  CPU_WORDS,
  HEADER,
  HEADER_WORDS,
} from "../../sync/memory.js";
import type { Graph } from "./graph.js";

interface KernelLayout {
  readonly config: { readonly cpus: number; readonly ports: number; readonly devices: number };
  readonly map: Readonly<Record<string, number>>;
}
type Table = Readonly<Record<string, number>>;

/** The name of an address: `dev0.state`, `ports[1]`, `rtnl`, `cpu1.rcuSequence`. */
export function addressName(graph: Graph, kernel: object, address: number): string {
  const { config, map } = kernel as KernelLayout;
  const at = (key: string): number => map[key]!;
  if (address === 0) return "NULL";
  if (address < HEADER_WORDS) return word(HEADER, address);
  const ring = callbackRing(config.cpus);
  if (address < ring) {
    const offset = address - HEADER_WORDS;
    return `cpu${Math.floor(offset / CPU_WORDS)}.${word(CPU, offset % CPU_WORDS)}`;
  }
  if (address < ring + 2 * CALLBACK_RING_SIZE) return `callbacks[${address - ring}]`;
  if (address < at("ports"))
    return word(tableOf(graph, "path/kernel.ts", "KERNEL"), address - at("global"));
  if (address < at("vports")) return `ports[${address - at("ports")}]`;
  if (address < at("devices")) return vportWord(graph, address - at("vports"));
  if (address < at("socks")) return deviceWord(graph, address - at("devices"), at("deviceWords"));
  if (address < at("backlogs")) return `sock[${address - at("socks")}]`;
  return `backlog[${address - at("backlogs")}]`;
}

function vportWord(graph: Graph, offset: number): string {
  const vport = "path/openvswitch/vport.ts";
  const words = graph.exportsOf(vport).VPORT_WORDS as number;
  const name = word(tableOf(graph, vport, "VPORT"), offset % words);
  return `vport${Math.floor(offset / words)}.${name}`;
}

function deviceWord(graph: Graph, offset: number, words: number): string {
  const netdevice = "path/core/netdevice.ts";
  const { DEV_FIXED_WORDS, QUEUE_WORDS } = graph.exportsOf(netdevice) as Table;
  const index = Math.floor(offset / words);
  const inside = offset % words;
  if (inside < DEV_FIXED_WORDS!)
    return `dev${index}.${word(tableOf(graph, netdevice, "DEV"), inside)}`;
  const queue = Math.floor((inside - DEV_FIXED_WORDS!) / QUEUE_WORDS!);
  const name = word(tableOf(graph, netdevice, "TXQ"), (inside - DEV_FIXED_WORDS!) % QUEUE_WORDS!);
  return `dev${index}.txq${queue}.${name}`;
}

function tableOf(graph: Graph, path: string, name: string): Table {
  return graph.exportsOf(path)[name] as Table;
}

/** The last name at or before an offset; words of an array get the distance. */
function word(table: Table, offset: number): string {
  let best = "";
  let start = -1;
  for (const [name, at] of Object.entries(table)) {
    if (at > offset || at <= start) continue;
    best = name;
    start = at;
  }
  return start === offset ? best : `${best}+${offset - start}`;
}
