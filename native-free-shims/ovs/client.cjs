// What the four commands of this folder have in common: finds the control socket of a running
// packetpath, sends the command line there, and ends as it says. Plain JavaScript without a build,
// and no ES module, so that it starts quickly (loading one costs 15 ms of CPU time more); only verbs
// that need no switch (parse-flows ...) load the project.
"use strict";
const { existsSync, readdirSync, readFileSync } = process.getBuiltinModule("node:fs");
const { createConnection } = process.getBuiltinModule("node:net");
const { join } = process.getBuiltinModule("node:path");

const ROOT = join(__dirname, "../..");

/** As src/vswitch/socket/registry.ts has it. */
function runFolder(env) {
  const uid = process.getuid();
  if (uid === 0) return "/run/packetpath";
  return env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, "packetpath") : `/tmp/packetpath-${uid}`;
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

/** The socket to speak to; null: no switch runs. Several, and nobody said which: an error. */
function chooseSocket(env) {
  if (env.PACKETPATH_CTL) return env.PACKETPATH_CTL;
  if (env.OVS_RUNDIR) {
    const own = join(env.OVS_RUNDIR, "packetpath.ctl");
    return existsSync(own) ? own : null;
  }
  const sockets = registered(env);
  if (sockets.length > 1) {
    throw new Error(
      `several switches run; set PACKETPATH_CTL to the one meant:\n  ${sockets.join("\n  ")}`,
    );
  }
  return sockets[0] ?? null;
}

/** The words of strerror(3) for what may go wrong with a file. */
const REASONS = {
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EISDIR: "Is a directory",
};

function readFile(name, encoding = "utf8") {
  try {
    return { text: readFileSync(name === "-" ? 0 : name, encoding) };
  } catch (error) {
    return { error: REASONS[error.code] ?? error.message };
  }
}

/** Speaks to a switch: answers its questions about files until it has an answer itself. */
function ask(path, request) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (data) => {
      text += data;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const message = JSON.parse(text.slice(0, end));
        text = text.slice(end + 1);
        if (message.read !== undefined) {
          socket.write(`${JSON.stringify(readFile(message.read, message.encoding))}\n`);
          continue;
        }
        resolve(message);
        socket.destroy();
        return;
      }
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("the switch ended before it answered")));
  });
}

async function loadVerbs() {
  const file = join(ROOT, "dist/vswitch/verbs/dispatch.js");
  if (!existsSync(file)) {
    throw new Error(`packetpath is not built yet: run ${ROOT}/scripts/packetpath --version`);
  }
  const { pathToFileURL } = process.getBuiltinModule("node:url");
  return import(pathToFileURL(file).href);
}

/** Answers without a switch. */
async function answerHere(request) {
  const { perform } = await loadVerbs();
  const local = async (name, encoding) => {
    const { text, error } = readFile(name, encoding);
    if (text === undefined) throw new Error(error);
    return text;
  };
  return perform({ ...request, readFile: local }, null);
}

async function answer(request) {
  const path = chooseSocket(process.env);
  if (path === null) return answerHere(request);
  try {
    return await ask(path, request);
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ECONNREFUSED") return answerHere(request);
    throw error;
  }
}

/** Runs one command line and ends the process as the real tool would. */
async function main(tool) {
  const args = process.argv.slice(2);
  try {
    const result = await answer({ tool, args, terminal: process.stdout.isTTY === true });
    process.stderr.write(result.stderr);
    process.exitCode = result.exitCode;
    process.stdout.on("error", () => process.exit(result.exitCode));
    process.stdout.write(result.stdout);
  } catch (error) {
    process.stderr.write(`${tool}: ${error.message}\n`);
    process.exitCode = 1;
  }
}

module.exports = { main };
