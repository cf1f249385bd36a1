// How a command stays that does (`ovs-ofctl monitor`): prints what the switch sends, in the
// foreground or detached, with a pidfile and a socket for `ovs-appctl -t` (lib/daemon-unix.c,
// lib/unixctl.c of Open vSwitch 3.1). Loaded by client.cjs when a switch says that a command stays.
"use strict";
const fs = process.getBuiltinModule("node:fs");
const { createServer } = process.getBuiltinModule("node:net");
const { resolve } = process.getBuiltinModule("node:path");
const { spawn } = process.getBuiltinModule("node:child_process");
const { rundir, reasonOf } = require("./places.cjs");

/** Set for the process that stays when its parent has been asked to detach. */
const DETACHED = "PACKETPATH_DETACHED";

/** Answers of a program to commands of `ovs-appctl -t`: JSON-RPC, one request after the other. */
function serveCommands(path, answer) {
  const server = createServer((socket) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", () => socket.destroy());
    socket.on("data", (data) => {
      text += data;
      let request;
      try {
        request = JSON.parse(text);
      } catch {
        return; // Not whole yet.
      }
      text = "";
      answer(String(request.method), request.params ?? [], (result, error) => {
        socket.write(JSON.stringify({ id: request.id, result, error }));
      });
    });
  });
  return new Promise((done, fail) => {
    server.on("error", fail);
    server.listen(path, () => done(server));
  });
}

/** Starts this command line again, detached; resolves when that one is ready. */
function detach() {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, process.argv.slice(1), {
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, [DETACHED]: "1" },
    });
    child.on("message", () => {
      child.disconnect();
      child.unref();
      done();
    });
    child.on("error", fail);
    child.on("exit", (code) => process.exit(code === 0 ? 0 : 1));
  });
}

/** The process that a pidfile names, if it is alive; null: nobody. */
function holderOf(file) {
  try {
    const pid = Number(fs.readFileSync(file, "utf8"));
    process.kill(pid, 0);
    return pid;
  } catch {
    return null;
  }
}

/** Files that say where this process is; taken away when it ends. */
function claimPlaces(tool, { pidfile, socket }) {
  const made = [];
  const remove = () => {
    for (const file of made.splice(0)) fs.rmSync(file, { force: true });
  };
  if (pidfile !== null) {
    const file = resolve(rundir(process.env), pidfile === "" ? `${tool}.pid` : pidfile);
    const holder = holderOf(file);
    if (holder !== null) throw new Error(`${file}: already running as pid ${holder}, aborting`);
    fs.writeFileSync(file, `${process.pid}\n`);
    made.push(file);
  }
  const path = resolve(rundir(process.env), socket === "" ? `${tool}.${process.pid}.ctl` : socket);
  fs.rmSync(path, { force: true });
  made.push(path);
  process.on("exit", remove);
  for (const [name, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ]) {
    process.on(name, () => process.exit(128 + number));
  }
  return path;
}

/** What is printed: to standard error, or to the file that was set; held back while blocked. */
class Printer {
  constructor() {
    this.fd = 2;
    this.held = null;
  }

  print(text) {
    if (this.held !== null) this.held.push(text);
    else fs.writeSync(this.fd, text);
  }

  setFile(name) {
    this.fd = fs.openSync(name, "w");
  }

  block() {
    if (this.held !== null) return "already blocking";
    this.held = [];
    return null;
  }

  unblock() {
    if (this.held === null) return "already unblocked";
    const held = this.held;
    this.held = null;
    for (const text of held) this.print(text);
    return null;
  }
}

/** Commands that this process answers itself; others are the switch's. */
function ownCommand(printer, method, params) {
  try {
    if (method === "ofctl/set-output-file") printer.setFile(params[0]);
    else if (method === "ofctl/block") return { result: printer.block() };
    else if (method === "ofctl/unblock") return { result: printer.unblock() };
    else if (method === "vlog/set") return { result: null };
    else return null;
    return { result: null };
  } catch (error) {
    return { error: reasonOf(error) };
  }
}

/**
 * Stays until somebody says `exit` or the switch goes.
 * @param link the connection to the switch: send(message), onMessage, onClose.
 */
async function stay(tool, options, link) {
  if (options.detach && process.env[DETACHED] !== "1") {
    link.close();
    return detach();
  }
  let path;
  try {
    path = claimPlaces(tool, options);
  } catch (error) {
    link.close();
    throw error;
  }
  const printer = new Printer();
  const waiting = [];
  let ending = false;
  link.onMessage = (message) => {
    if (message.print !== undefined) printer.print(message.print);
    else waiting.shift()?.(message);
  };
  link.onClose = () => {
    if (!ending) process.stderr.write(`${tool}: vconn_recv (End of file)\n`);
    process.exit(ending ? 0 : 1);
  };
  const ask = (command, args, done) => {
    waiting.push(done);
    link.send({ command, args });
  };
  await serveCommands(path, (method, params, reply) => {
    const own = ownCommand(printer, method, params);
    if (own !== null) return reply(own.result ?? null, own.error ?? null);
    if (method !== "exit") {
      return ask(method, params, ({ done, refused }) => reply(done ?? null, refused ?? null));
    }
    // What the switch has sent until now is printed first.
    ask("ofctl/sync", [], () => {
      printer.unblock();
      reply(null, null);
      ending = true;
      link.close();
    });
  });
  link.send({ begin: true });
  if (process.env[DETACHED] === "1") process.send("ready", () => process.disconnect());
}

module.exports = { stay };
