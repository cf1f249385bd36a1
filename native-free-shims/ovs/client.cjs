// What the four commands of this folder have in common: finds the control socket of a running
// packetpath, sends the command line there, and ends as it says. Plain JavaScript without a build,
// and no ES module, so that it starts quickly (loading one costs 15 ms of CPU time more); only verbs
// that need no switch (parse-flows ...) load the project.
"use strict";
const { existsSync, readFileSync } = process.getBuiltinModule("node:fs");
const { createConnection } = process.getBuiltinModule("node:net");
const { join } = process.getBuiltinModule("node:path");
const { chooseSocket, reasonOf } = require("./places.cjs");

const ROOT = join(__dirname, "../..");

function readFile(name, encoding = "utf8") {
  try {
    return { text: readFileSync(name === "-" ? 0 : name, encoding) };
  } catch (error) {
    return { error: reasonOf(error) };
  }
}

/**
 * Speaks to a switch: answers its questions about files until it has an answer itself. An answer
 * to a command that stays has the connection in it, as `link`.
 */
function ask(path, request) {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = "";
    const link = {
      send: (message) => socket.write(`${JSON.stringify(message)}\n`),
      close: () => socket.destroy(),
      onMessage: null,
      onClose: () => undefined,
    };
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (data) => {
      text += data;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const message = JSON.parse(text.slice(0, end));
        text = text.slice(end + 1);
        if (link.onMessage !== null) link.onMessage(message);
        else if (message.read !== undefined) link.send(readFile(message.read, message.encoding));
        else if (message.stay !== undefined) {
          link.onMessage = () => undefined;
          resolve({ ...message, link });
        } else {
          resolve(message);
          socket.destroy();
          return;
        }
      }
    });
    socket.on("error", reject);
    socket.on("close", () => {
      reject(new Error("the switch ended before it answered"));
      link.onClose();
    });
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
  const target = request.tool === "ovs-appctl" ? otherTarget(request.args) : null;
  if (target !== null) return require("./appctl-target.cjs").askTarget(target);
  try {
    const path = chooseSocket(process.env);
    return path === null ? await answerHere(request) : await ask(path, request);
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ECONNREFUSED") return answerHere(request);
    // Of several switches, none is needed for some commands.
    if (error.code === "SEVERAL" && (await loadVerbs()).isLocal(request))
      return answerHere(request);
    throw error;
  }
}

/** Programs that the switch answers for. */
const OWN_TARGETS = ["ovs-vswitchd", "ovsdb-server"];

/** The program that `ovs-appctl -t` names, and what is left of its arguments; null: the switch. */
function otherTarget(args) {
  const at = args.findIndex((arg) => /^(-t|--target(=|$))/.test(arg));
  if (at < 0) return null;
  const [arg] = args.slice(at);
  const glued = arg.startsWith("--") ? arg.slice("--target=".length) : arg.slice(2);
  const isApart = arg === "-t" || arg === "--target";
  const name = isApart ? args[at + 1] : glued;
  if (name === undefined || OWN_TARGETS.includes(name)) return null;
  // A socket that there is not may still be meant for the switch: scripts name ovs-vswitchd's own.
  if (name.startsWith("/") && !existsSync(name)) return null;
  const words = [...args.slice(0, at), ...args.slice(at + (isApart ? 2 : 1))];
  return { name, words: words.filter((word) => !/^-(T\d|-timeout=)/.test(word)) };
}

/** Runs one command line and ends the process as the real tool would. */
async function main(tool) {
  const args = process.argv.slice(2);
  try {
    const result = await answer({ tool, args, terminal: process.stdout.isTTY === true });
    process.stderr.write(result.stderr);
    process.exitCode = result.exitCode;
    if (result.stay !== undefined) {
      // What was there to begin with is printed once, by the process that is asked.
      process.stdout.write(result.stdout);
      return await require("./monitor.cjs").stay(tool, result.stay, result.link);
    }
    process.stdout.on("error", () => process.exit(result.exitCode));
    process.stdout.write(result.stdout);
  } catch (error) {
    process.stderr.write(`${tool}: ${error.message}\n`);
    process.exitCode = 1;
  }
}

module.exports = { main };
