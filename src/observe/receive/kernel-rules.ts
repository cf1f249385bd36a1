// What kernels of different age do when they receive: data, with the versions. Pure; any thread.
// Sources: kernel/softirq.c, drivers/net/tun.c, net/core/dev.c, at the versions named.

export interface KernelVersion {
  readonly release: string;
  readonly major: number;
  readonly minor: number;
}

/** @param release as uname(2) says it, "6.18.44-fc"; what is no version counts as 0.0. */
export function kernelVersion(release: string): KernelVersion {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return { release, major: Number(major), minor: Number(minor) };
}

function isBefore({ major, minor }: KernelVersion, otherMajor: number, otherMinor: number) {
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

export interface ReceiveRules {
  /** Enabling softirqs serves what is pending there and then, whatever ksoftirqd does. */
  readonly alwaysInline: boolean;
  /** A write to a TAP receives by itself, with softirqs off, instead of raising a softirq. */
  readonly tapReceivesInWrite: boolean;
  /** Traces tell softirqs off (b) from interrupts off (d): 5.18 and later do. */
  readonly tracesSoftirqsOff: boolean;
}

export function receiveRules(version: KernelVersion): ReceiveRules {
  const skips = !isBefore(version, 4, 9) && isBefore(version, 6, 5);
  return {
    alwaysInline: !skips,
    tapReceivesInWrite: !isBefore(version, 4, 11),
    tracesSoftirqsOff: !isBefore(version, 5, 18),
  };
}

/** What the rules are, a line each, beginning with this kernel's. */
export function loopbackNotes(version: KernelVersion): string[] {
  const here = `Linux ${version.major}.${version.minor}`;
  const inline = `${here}: who enables softirqs serves what is pending, there and then.`;
  const busy = receiveRules(version).alwaysInline
    ? "4.9 to 6.4: unless ksoftirqd runs already, which receives then."
    : "But not if ksoftirqd runs already, which receives then (4.9 to 6.4).";
  return [inline, busy, ...flagNotes(version)];
}

/** Why a claim is not made on this kernel. */
function flagNotes(version: KernelVersion): string[] {
  if (receiveRules(version).tracesSoftirqsOff) return [];
  return ["Left out: whether softirqs were off; traces of 5.18 and later say so (flag b)."];
}

export function tapNotes(version: KernelVersion): string[] {
  const here = `Linux ${version.major}.${version.minor}`;
  const direct = "write() receives by itself, with softirqs off (netif_receive_skb).";
  const queued = "write() queues, and receives in a softirq before it returns (netif_rx_ni).";
  const ways = receiveRules(version).tapReceivesInWrite
    ? [`${here}: ${direct}`, `Before 4.11: ${queued}`]
    : [`${here}: ${queued}`, `Since 4.11: ${direct}`];
  return [...ways, ...flagNotes(version)];
}
