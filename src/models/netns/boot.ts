// inet6_init: the pernet operations are registered one after the other, and what a failure takes
// back stands at labels that the failing step jumps to (net/ipv6/af_inet6.c). As it stands here:
// labels in the reverse order of the steps, with each step failing in turn.
import { add, assert, fault, ld, program, st } from "packetpath/explore";

const parameters = {
  /** What each step registers. */
  steps: ["family", "inet6", "ip6mr", "icmpv6", "ndisc"] as readonly string[],
  /** What stands at the labels: a failure of step i falls through from entry i - 1 to the first. */
  labels: ["family", "inet6", "ip6mr", "icmpv6"] as readonly string[],
  /** CONFIG_DEBUG_LIST: list_del looks at the links before it uses them. */
  debugList: false,
};

/** Operations in the list of pernet operations; the family is none of them. */
const OPERATIONS = ["inet6", "ip6mr", "icmpv6", "ndisc"];

const EAFNOSUPPORT = 97;

interface Kernel {
  /** pernet_list: a struct list_head, the next one and the previous one. */
  head: number[];
  /** The same of each operation. */
  links: number[][];
  hasFamily: number;
  registered: number;
}

/** list_add_tail. */
function listAdd(entry: number, head: number) {
  const last = ld(head + 1);
  st(entry, head);
  st(entry + 1, last);
  st(last, entry);
  st(head + 1, entry);
}

/** list_del: the neighbours get each other. Links that were never set are NULL. */
function listDel(entry: number) {
  const next = ld(entry);
  const previous = ld(entry + 1);
  if (parameters.debugList) {
    assert(next !== 0, "list_del corruption: next is NULL", "CORRUPTION");
  }
  st(next + 1, previous);
  st(previous, next);
}

/** 0, or why the step failed. */
function register(name: string, k: Kernel): number {
  if (fault(name)) return 1;
  if (name === "family") {
    st(k.hasFamily, 1);
    return 0;
  }
  // The init of the operation, in the first namespace: a socket needs its family.
  if (name === "icmpv6" && ld(k.hasFamily) === 0) return EAFNOSUPPORT;
  listAdd(k.links[OPERATIONS.indexOf(name)]![0]!, k.head[0]!);
  add(k.registered, 1);
  return 0;
}

function unregister(name: string, k: Kernel) {
  if (name === "family") {
    st(k.hasFamily, 0);
    return;
  }
  listDel(k.links[OPERATIONS.indexOf(name)]![0]!);
  add(k.registered, -1);
}

export default program({
  name: "netns-boot",
  cells: {
    head: [0, 0],
    links: [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
    ],
    hasFamily: 0,
    registered: 0,
  },
  // For the words behind NULL.
  heap: 1,
  maxFaults: 1,
  threads: {
    modprobe(k: Kernel) {
      st(k.head[0]!, k.head[0]!);
      st(k.head[1]!, k.head[0]!);
      for (let i = 0; i < parameters.steps.length; i++) {
        const error = register(parameters.steps[i]!, k);
        if (error === 0) continue;
        assert(error !== EAFNOSUPPORT, "creating the ICMPv6 socket failed: errno 97");
        for (let label = i - 1; label >= 0; label--) unregister(parameters.labels[label]!, k);
        assert(ld(k.registered) === 0, "a failed module leaves an operation registered");
        return;
      }
    },
  },
});
