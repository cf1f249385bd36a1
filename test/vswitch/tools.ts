// The tools of Open vSwitch against a dummy switch in this process: command lines in, answers out.
import { type DummyTarget, dummyTarget } from "../../src/vswitch/dummy/target.js";
import type { Answer, Tool } from "../../src/vswitch/verbs/call.js";
import { perform } from "../../src/vswitch/verbs/dispatch.js";

export interface Tools {
  readonly target: DummyTarget;
  /** Files that verbs may read, by name; `-` is standard input. */
  readonly files: Map<string, string>;
  /** Performs one command line, split at spaces (not within quotes). */
  run(line: string): Promise<Answer>;
  /** As `run`; a failure fails the test. Answers what was printed. */
  ok(line: string): Promise<string>;
  /** As `run`; answers stderr of what must fail. */
  refused(line: string): Promise<string>;
}

export function words(line: string): string[] {
  const found = line.match(/'[^']*'|"[^"]*"|[^\s'"]+('[^']*'|"[^"]*"|[^\s'"])*/g) ?? [];
  return found.map((word) => word.replace(/'([^']*)'/g, "$1").replace(/^"(.*)"$/, "$1"));
}

/** A switch with bridge br0, fail mode secure, and dummy ports p1, p2 ... with these numbers. */
export async function tools(ports: readonly number[] = [1, 2, 3]): Promise<Tools> {
  const target = dummyTarget();
  const files = new Map<string, string>();
  const run = (line: string): Promise<Answer> => {
    const [tool, ...args] = words(line);
    const readFile = (name: string): Promise<string> => {
      const text = files.get(name);
      if (text === undefined) return Promise.reject(new Error("No such file or directory"));
      return Promise.resolve(text);
    };
    return perform({ tool: tool as Tool, args, terminal: false, readFile }, target);
  };
  const ok = async (line: string): Promise<string> => {
    const answer = await run(line);
    if (answer.exitCode === 0) return answer.stdout;
    throw new Error(`${line}: exit ${answer.exitCode}: ${answer.stderr}`);
  };
  const refused = async (line: string): Promise<string> => {
    const answer = await run(line);
    if (answer.exitCode !== 0) return answer.stderr;
    throw new Error(`${line}: not refused; printed ${answer.stdout}`);
  };
  await ok("ovs-vsctl add-br br0 -- set bridge br0 fail-mode=secure datapath-type=dummy");
  for (const n of ports) {
    await ok(`ovs-vsctl add-port br0 p${n} -- set Interface p${n} type=dummy ofport_request=${n}`);
  }
  return { target, files, run, ok, refused };
}
