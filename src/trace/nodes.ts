// The tree that a trace is, and how it is printed (Open vSwitch 3.1, ofproto-dpif-trace.c).
// Plain data; any thread.

/** What a line of the tree says. */
export type TraceNodeType =
  "bridge" | "table" | "thaw" | "bucket" | "action" | "detail" | "warning" | "error";

export interface TraceNode {
  readonly type: TraceNodeType;
  readonly text: string;
  /** table: number; cookie and priority of the flow that matched. */
  readonly table?: number;
  readonly priority?: number;
  readonly cookie?: bigint;
  readonly nodes: TraceNode[];
}

/** Nodes that something may follow on the same level without being drawn as a sibling. */
const OPENS: readonly TraceNodeType[] = ["bridge", "table", "thaw"];

/** The lines of some nodes and of all below them. */
export function nodeLines(nodes: readonly TraceNode[], level = 0): string[] {
  return nodes.flatMap((node, i) => {
    // What is last and opens a level goes on without a further indent: a chain of resubmits does
    // not wander off to the right.
    const more = i < nodes.length - 1 || !OPENS.includes(node.type) ? 1 : 0;
    const indent = " ".repeat((level + more) * 4);
    return [...ownLines(node, indent), ...nodeLines(node.nodes, level + 2 * more)];
  });
}

function ownLines({ type, text }: TraceNode, indent: string): string[] {
  switch (type) {
    case "bridge":
      return ["", indent + text, indent + "-".repeat(text.length)];
    case "detail":
      return [`${indent} -> ${text}`];
    case "warning":
      return [`${indent} >> ${text}`];
    case "error":
      return [`${indent} >>>> ${text} <<<<`];
    default:
      return [indent + text];
  }
}
