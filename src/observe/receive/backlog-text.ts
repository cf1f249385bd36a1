// What `observe backlog` found, as text and as an object for --json. Pure; any thread.
import type { BacklogResult } from "./backlog.js";
import { claimLine } from "./claims.js";

export function backlogAsExpected({ claims }: BacklogResult): boolean {
  return claims.every(({ asExpected }) => asExpected);
}

export function backlogJson(result: BacklogResult): object {
  return { observation: "backlog", asExpected: backlogAsExpected(result), ...result };
}

export function backlogText(result: BacklogResult): string {
  const { kernel, cpu, limit, claims, rounds } = result;
  const columns = ["pieces", "received", "dropped", "counted as dropped"];
  const cells = rounds.map(({ pieces, received, counted }) =>
    [pieces, received, pieces - received, counted].map(String),
  );
  const row = (words: readonly string[]): string =>
    words.map((word, i) => word.padStart(columns[i]!.length + 2)).join("");
  const lines = [
    `backlog: packets written to a TAP and forwarded to lo in pieces, on CPU ${cpu}`,
    ` kernel ${kernel.release}; net.core.netdev_max_backlog ${limit}, the host's, is not touched`,
    "",
    row(columns),
    ...cells.map(row),
    "",
    ...claims.map(claimLine),
  ];
  return `${lines.join("\n")}\n`;
}
