// socket(): what each step acquires, and what is undone when it fails (net/socket.c, inet_create of
// net/ipv4/af_inet.c). Beside it a module that is unloaded, a look at the table of files, and a
// tracer on the way out. As it stands here: repaired, with each step failing in turn.
import {
  add,
  alloc,
  assert,
  cas,
  fault,
  free,
  ld,
  program,
  rcuReadLock,
  rcuReadUnlock,
  st,
  synchronizeRcu,
  waitUntil,
  waitWhile,
} from "packetpath/explore";

const parameters = {
  /** Which step fails: "none", "any" (each in turn), or its name. */
  fails: "any",
  /** What socket() must then return; 0: whatever it does. */
  errno: 0,
  /** sock->sk after a failed create: left, cleared by inet_create, cleared by its caller. */
  clears: "by-caller" as "never" | "in-create" | "by-caller" | "before-free",
  /** A BPF program on __sock_release that follows sock->sk. */
  isTraced: false,
  /** A program on another CPU that has kept the socket, and follows sock->sk in an RCU section. */
  isWatched: false,
  /** sk is freed at once, or when nobody who has seen it is in an RCU section any more. */
  frees: "at-once" as "at-once" | "after-grace-period",
  /** The module of the family is unloaded meanwhile. */
  unloads: false,
  /** The family's module is held by a reference that is taken under RCU, or only looked at. */
  holds: "try-get" as "try-get" | "looks",
  /** The reference of the family is dropped after that of the operations is taken, or before. */
  handsOver: "after" as "after" | "before",
  /** The security module is asked before anything is allocated, or after the inode. */
  asks: "first" as "first" | "after-inode",
  /** The descriptor is published after the label is set, or before. */
  publishes: "last" as "last" | "before-label",
  /** Another task looks at the table of files. */
  hasNeighbour: false,
  /** What the way out forgets. */
  forgets: "nothing" as "nothing" | "inode" | "family" | "operations" | "sock" | "descriptor",
};

const GOING = -1;

// errno of Linux.
const EPERM = 1;
const EACCES = 13;
const EINVAL = 22;
const ENFILE = 23;
const EMFILE = 24;
const ENOMEM = 12;
const EPROTONOSUPPORT = 93;
const ESOCKTNOSUPPORT = 94;
const EAFNOSUPPORT = 97;

interface Kernel {
  /** struct socket: its inode, its sk, its operations (1) and its label. */
  inode: number;
  sk: number;
  operations: number;
  label: number;
  /** Reference of the network namespace. */
  net: number;
  /** net_families[AF_INET]: the module's text, or NULL. */
  families: number;
  /** References of the module, which is the operations' owner, too; or GOING. */
  users: number;
  /** The module: 1 is loaded, 2 is not needed any more, 3 could not be loaded. */
  stage: number;
  /** The descriptor: reserved (1) and its file. */
  descriptor: number;
  file: number;
  /** What was allocated for the socket so far. */
  allocated: number;
}

function fails(step: string): boolean {
  return parameters.fails === "any" ? fault(step) : parameters.fails === step;
}

function allocate(k: Kernel, step: string): number {
  const object = parameters.fails === step ? 0 : alloc(1);
  if (object === 0) return 0;
  st(object, 1);
  add(k.allocated, 1);
  return object;
}

/** __sock_create and what follows it: 0, or an errno. */
function socket(k: Kernel): number {
  if (fails("flags")) return EINVAL;
  if (fails("range")) return EAFNOSUPPORT;
  if (fails("type")) return EINVAL;
  if (parameters.asks === "first" && fails("security_socket_create")) return denied(k);
  const inode = allocate(k, "inode");
  if (inode === 0) return ENFILE;
  st(k.inode, inode);
  if (parameters.asks === "after-inode" && fails("security_socket_create")) return denied(k);
  const text = takeFamily(k);
  if (text === 0) return out(k, EAFNOSUPPORT);
  const error = inetCreate(k, text);
  if (error !== 0) return outModule(k, error);
  const handed = handOver(k, text);
  if (handed !== 0) {
    st(k.operations, 0);
    return out(k, handed);
  }
  if (parameters.publishes === "before-label") return publish(k);
  if (fails("security_socket_post_create")) return out(k, EACCES);
  st(k.label, 1);
  return publish(k);
}

function denied(k: Kernel): number {
  assert(ld(k.allocated) === 0, "denied, with memory allocated that nobody gives back", "LEAK");
  return EACCES;
}

/** The family's module, under RCU: its text, or NULL. */
function takeFamily(k: Kernel): number {
  rcuReadLock();
  const text = ld(k.families);
  const isThere = text !== 0 && !fails("family");
  const isTaken = isThere && (parameters.holds !== "try-get" || tryModuleGet(k));
  rcuReadUnlock();
  return isTaken ? text : 0;
}

/** try_module_get: not of a module that goes. */
function tryModuleGet(k: Kernel): boolean {
  for (;;) {
    const before = ld(k.users);
    if (before === GOING) return false;
    if (cas(k.users, before, before + 1) === before) return true;
  }
}

function putFamily(k: Kernel) {
  if (parameters.holds === "looks" || parameters.forgets === "family") return;
  add(k.users, -1);
}

/** pf->create: runs in the text of the family's module. */
function inetCreate(k: Kernel, text: number): number {
  ld(text);
  if (fails("number")) return EINVAL;
  if (fails("list")) return ESOCKTNOSUPPORT;
  if (fails("protocol")) return EPROTONOSUPPORT;
  if (fails("capability")) return EPERM;
  st(k.operations, 1);
  const sk = allocate(k, "sk");
  if (sk === 0) return ENOMEM;
  add(k.net, 1);
  // sock_init_data.
  st(k.sk, sk);
  ld(text);
  if (fails("init")) return releaseCommon(k, sk, EACCES);
  // The BPF program of the cgroup.
  return fails("cgroup") ? releaseCommon(k, sk, EPERM) : 0;
}

/** sk_common_release, with sock->sk still there. */
function releaseCommon(k: Kernel, sk: number, error: number): number {
  add(k.net, -1);
  if (parameters.clears === "before-free") st(k.sk, 0);
  if (parameters.frees === "after-grace-period") synchronizeRcu();
  free(sk);
  if (parameters.clears === "in-create") st(k.sk, 0);
  return error;
}

/** The owner of the operations is held, then the family is let go; both are one module here. */
function handOver(k: Kernel, text: number): number {
  if (parameters.handsOver === "before") putFamily(k);
  // sock->ops->owner is read in the module's memory.
  ld(text);
  // While the family is held, the same module cannot refuse; "any" does not make it.
  const isBusy = parameters.fails === "owner" || !tryModuleGet(k);
  if (parameters.handsOver === "after") putFamily(k);
  return isBusy ? EAFNOSUPPORT : 0;
}

/** out_module_put: without operations, sock_release does not look for an sk. */
function outModule(k: Kernel, error: number): number {
  if (parameters.clears === "by-caller") st(k.sk, 0);
  st(k.operations, 0);
  putFamily(k);
  return out(k, error);
}

/** sock_release. */
function out(k: Kernel, error: number): number {
  if (parameters.isTraced) {
    const seen = ld(k.sk);
    if (seen !== 0) ld(seen);
  }
  if (ld(k.operations) !== 0) {
    releaseSk(k);
    if (parameters.forgets !== "operations") add(k.users, -1);
    st(k.operations, 0);
  }
  st(k.label, 0);
  if (parameters.forgets !== "inode") free(ld(k.inode));
  return error;
}

/** inet_release. */
function releaseSk(k: Kernel) {
  const sk = ld(k.sk);
  if (sk === 0 || parameters.forgets === "sock") return;
  st(k.sk, 0);
  add(k.net, -1);
  if (parameters.frees === "after-grace-period") synchronizeRcu();
  free(sk);
}

/** sock_map_fd. */
function publish(k: Kernel): number {
  if (fails("descriptor")) return out(k, EMFILE);
  st(k.descriptor, 1);
  const file = allocate(k, "file");
  if (file === 0) {
    if (parameters.forgets !== "descriptor") st(k.descriptor, 0);
    return out(k, ENFILE);
  }
  // fd_install.
  st(k.file, file);
  if (parameters.publishes === "before-label") st(k.label, 1);
  return 0;
}

/** close of a socket that came to life. */
function close(k: Kernel) {
  const file = ld(k.file);
  st(k.file, 0);
  st(k.descriptor, 0);
  free(file);
  out(k, 0);
}

export default program({
  name: "socket",
  cells: {
    inode: 0,
    sk: 0,
    operations: 0,
    label: 0,
    net: 0,
    families: 0,
    users: 0,
    stage: 0,
    descriptor: 0,
    file: 0,
    allocated: 0,
  },
  heap: 8,
  maxFaults: parameters.fails === "any" ? 1 : 0,
  leaks: true,
  threads: {
    /** Loads the module, and unloads it at some time, or when all is over. */
    module(k: Kernel) {
      const text = alloc(1);
      if (text === 0) {
        st(k.stage, 3);
        return;
      }
      st(text, 1);
      st(k.families, text);
      st(k.stage, 1);
      if (!parameters.unloads) waitUntil(k.stage, 2);
      // delete_module: only of what nobody holds; from then on nobody can.
      if (cas(k.users, 0, GOING) !== 0) {
        waitUntil(k.stage, 2);
        const users = cas(k.users, 0, GOING);
        assert(users === 0, "a reference of the module is left", "LEAK");
      }
      st(k.families, 0);
      synchronizeRcu();
      free(text);
    },
    task(k: Kernel) {
      if (waitWhile(k.stage, 0) === 3) return;
      const error = socket(k);
      const isRight = parameters.errno === 0 || error === parameters.errno;
      assert(isRight, `socket() fails with errno ${error}`);
      if (error === 0) close(k);
      st(k.stage, 2);
    },
    /** Another task that looks at the table of files. */
    neighbour(k: Kernel) {
      if (!parameters.hasNeighbour) return;
      if (ld(k.file) === 0) return;
      assert(ld(k.label) === 1 || ld(k.file) === 0, "a socket is in use that has no label");
    },
    watcher(k: Kernel) {
      if (!parameters.isWatched) return;
      rcuReadLock();
      const seen = ld(k.sk);
      if (seen !== 0) ld(seen);
      rcuReadUnlock();
    },
  },
  final(k: Kernel) {
    assert(ld(k.net) === 0, "a reference of the namespace is left", "LEAK");
    assert(ld(k.descriptor) === 0, "a descriptor is left", "LEAK");
  },
});
