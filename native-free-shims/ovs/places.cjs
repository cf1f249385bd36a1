// Where the programs of a switch keep their sockets, and the words for what goes wrong there.
// Plain JavaScript without a build.
"use strict";
const { existsSync, readdirSync, readFileSync } = process.getBuiltinModule("node:fs");
const { join } = process.getBuiltinModule("node:path");

/** As src/vswitch/socket/registry.ts has it. */
function runFolder(env) {
  const uid = process.getuid();
  if (uid === 0) return "/run/packetpath";
  return env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, "packetpath") : `/tmp/packetpath-${uid}`;
}

/** Where pidfiles and sockets for commands lie. */
function rundir(env) {
  return env.OVS_RUNDIR || runFolder(env);
}

/** Sockets of the switches that run, from the registry in the run folder. */
function registered(env) {
  const folder = runFolder(env);
  const found = [];
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const pid = /^(\d+)-\d+\.json$/.exec(name)?.[1];
    if (pid === undefined || !existsSync(`/proc/${pid}`)) continue;
    try {
      found.push(JSON.parse(readFileSync(join(folder, name), "utf8")).socket);
    } catch {
      // Half written or just removed: its switch is starting or ending.
    }
  }
  return found;
}

/** The socket to speak to; null: no switch runs. Several, and nobody said which: an error (SEVERAL). */
function chooseSocket(env) {
  if (env.PACKETPATH_CTL) return env.PACKETPATH_CTL;
  if (env.OVS_RUNDIR) {
    const own = join(env.OVS_RUNDIR, "packetpath.ctl");
    return existsSync(own) ? own : null;
  }
  const sockets = registered(env);
  if (sockets.length > 1) {
    const which = `several switches run; set PACKETPATH_CTL to the one meant:\n  `;
    throw Object.assign(new Error(which + sockets.join("\n  ")), { code: "SEVERAL" });
  }
  return sockets[0] ?? null;
}

/** The words of strerror(3) for what may go wrong. */
const REASONS = {
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EISDIR: "Is a directory",
  ECONNREFUSED: "Connection refused",
};

function reasonOf(error) {
  return REASONS[error.code] ?? error.message;
}

module.exports = { chooseSocket, reasonOf, rundir };
