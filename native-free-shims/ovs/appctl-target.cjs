// `ovs-appctl -t PROGRAM`: asks a program that stays, in the JSON-RPC of Open vSwitch's programs
// (utilities/ovs-appctl.c, lib/unixctl.c, 3.1). Loaded by client.cjs.
"use strict";
const fs = process.getBuiltinModule("node:fs");
const { createConnection } = process.getBuiltinModule("node:net");
const { join } = process.getBuiltinModule("node:path");
const { reasonOf, rundir } = require("./places.cjs");

/** The socket of a program, by its path or by the name in its pidfile. */
function socketOf(name) {
  if (name.startsWith("/")) return name;
  const pidfile = join(rundir(process.env), `${name}.pid`);
  let pid;
  try {
    pid = Number(fs.readFileSync(pidfile, "utf8"));
  } catch (error) {
    throw new Error(`cannot read pidfile "${pidfile}" (${reasonOf(error)})`);
  }
  if (!fs.existsSync(`/proc/${pid}`)) {
    throw new Error(`cannot read pidfile "${pidfile}" (No such process)`);
  }
  return join(rundir(process.env), `${name}.${pid}.ctl`);
}

function call(path, method, params) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(JSON.stringify({ id: 0, method, params })));
    socket.on("data", (data) => {
      text += data;
      let reply;
      try {
        reply = JSON.parse(text);
      } catch {
        return; // Not whole yet.
      }
      resolve(reply);
      socket.destroy();
    });
    socket.on("error", (error) => {
      reject(new Error(`cannot connect to "${path}" (${reasonOf(error)})`));
    });
    socket.on("close", () => reject(new Error(`${path}: transaction error (End of file)`)));
  });
}

function lines(text) {
  return text === null || text === "" || text.endsWith("\n") ? (text ?? "") : `${text}\n`;
}

/** @param target a program's name or socket, and the command with its arguments. */
async function askTarget({ name, words }) {
  const [method, ...params] = words;
  if (method === undefined) {
    throw new Error("at least one non-option argument is required (use --help for help)");
  }
  const { result, error } = await call(socketOf(name), method, params);
  if (error === null || error === undefined) {
    return { exitCode: 0, stdout: lines(result), stderr: "" };
  }
  const stderr = `${lines(error)}ovs-appctl: ${name}: server returned an error\n`;
  return { exitCode: 2, stdout: "", stderr };
}

module.exports = { askTarget };
