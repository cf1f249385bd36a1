// Lines of standard input, as the commands of ovs-ofctl for tests read them (lib/dynamic-string.c
// of Open vSwitch 3.1), and their log. Any thread.
import type { WarnLog } from "../../../../ofctl/openflow/bytes.js";
import { type Call, warn } from "../../call.js";

async function linesOfInput(call: Call): Promise<string[]> {
  const lines = (await call.file("-")).split("\n");
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

const isBlank = (line: string): boolean => /^[ \t\n]*$/.test(line);
const withoutRemark = (line: string): string => line.replace(/#.*$/, "");

/** Without remarks and blank lines (ds_get_preprocessed_line). */
export async function contentLines(call: Call): Promise<string[]> {
  const lines = (await linesOfInput(call)).map(withoutRemark);
  return lines.filter((line) => !isBlank(line));
}

/**
 * Prints what each line becomes; remarks stay as they are and blank lines blank (ds_get_test_line).
 * @param answer is handed a line without its remark, and answers without a line end.
 */
export async function answerLines(call: Call, answer: (line: string) => string): Promise<void> {
  for (const line of await linesOfInput(call)) {
    const content = withoutRemark(line);
    const isAnswered = !line.startsWith("#") && !isBlank(content);
    call.out(`${isAnswered ? answer(content) : line.startsWith("#") ? line : ""}\n`);
  }
}

/** Warnings that Open vSwitch's log takes of one module at once; nx_match pays twice for each. */
const MOST_WARNINGS = 5;
const MOST_OF_MATCHES = 2;

/** A log that falls silent when one module has said too much at once (VLOG_RATE_LIMIT_INIT). */
export function limitedLog(call: Call): WarnLog {
  const counts = new Map<string, number>();
  return (module, message, how) => {
    if (how === "unlimited") return warn(call, module, message);
    const count = (counts.get(module) ?? 0) + 1;
    counts.set(module, count);
    if (count <= (module === "nx_match" ? MOST_OF_MATCHES : MOST_WARNINGS)) {
      warn(call, module, message, how === "info" ? "INFO" : "WARN");
    }
  };
}
