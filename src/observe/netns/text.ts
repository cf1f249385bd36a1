// What `packetpath observe netns` prints: text and JSON. Pure; any thread.
import { errnoName } from "../../base/errno.js";
import { INHERITANCE } from "../../models/netns/inheritance.js";
import { type NetnsObservation, netnsAsExpected } from "./observe-netns.js";

export function netnsText(observation: NetnsObservation): string {
  const { checks, skipped, microseconds } = observation;
  const lines = [
    ...checks.flatMap(({ id, what, seen, ok }) => [
      `${ok ? "yes" : "NO "} ${id.padEnd(9)} ${what}`,
      `              ${seen}`,
    ]),
    "",
    ...(microseconds === null ? [] : [timeLine(microseconds)]),
    ...memoryLines(observation),
    ...settingLines(observation),
    ...skipped.map(({ name, why }) => `not done: ${name}: ${why}`),
    "",
    netnsAsExpected(observation) ? "as predicted" : "NOT as predicted",
  ];
  return `${lines.join("\n")}\n`;
}

function timeLine({ min, p50, p99 }: NonNullable<NetnsObservation["microseconds"]>): string {
  const [a, b, c] = [min, p50, p99].map((one) => (one / 1000).toFixed(2));
  return `unshare(CLONE_NEWNET): min ${a} ms, median ${b} ms, p99 ${c} ms`;
}

/** One word for each limit, in the order in which it grew. */
function memoryLines({ memory }: NetnsObservation): string[] {
  if (memory === null) return [];
  const words = memory.attempts.map(({ errno }) => (errno === 0 ? "ok" : errnoName(errno)));
  const rows: string[] = [];
  for (let i = 0; i < words.length; i += 9) rows.push(`  ${words.slice(i, i + 9).join(" ")}`);
  return ["creating a namespace, the limit of kernel memory growing by 16 KB:", ...rows];
}

function settingLines({ settings }: NetnsObservation): string[] {
  if (settings === null) return [];
  const rows = INHERITANCE.map(({ value, ipv4, ipv6 }) => {
    const here = value === settings.inherit ? "  <- this host" : "";
    return `  ${value}: IPv4 ${ipv4.padEnd(9)} IPv6 ${ipv6.padEnd(9)}${here}`;
  });
  return [
    "net.core.devconf_inherit_init_net, and whose settings a namespace begins with:",
    ...rows,
  ];
}

/** The object of --json. */
export function netnsJson(observation: NetnsObservation): object {
  return {
    observation: "netns",
    asExpected: netnsAsExpected(observation),
    inheritance: INHERITANCE,
    ...observation,
  };
}
