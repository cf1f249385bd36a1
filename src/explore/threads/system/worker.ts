// Entry of a real thread that repeats its part of a schedule of the kernel path: the shipped files
// of `path` and `models`, unmodified, with turns in the place of `sync/primitives.js`. Explorer and
// path know nothing of each other, so the files are named here by where they lie.
import { register } from "node:module";
import { workerData } from "node:worker_threads";
import type { SystemData } from "./replay.js";
import { type Life, repeatFor } from "../turns.js";

type Call = (...args: readonly unknown[]) => unknown;
type Module = Readonly<Record<string, Call>>;

const at = (file: string) => new URL(file, import.meta.url).href;
register(at("./hooks.js"), {
  data: {
    [at("../../../sync/primitives.js")]: at("./controlled-sync.js"),
    [at("../../primitives.js")]: at("./direct.js"),
  },
});

const load = async (file: string) => (await import(at(file))) as Module;
const kernel = await load("../../../path/kernel.js");
const guards = await load("../../../path/guards.js");
const profiles = await load("../../../path/profiles.js");
const model = await load("../../../models/ovs-output.js");
const begin = await load("../../../models/output/set-up.js");
const rivals = await load("../../../models/output/rivals.js");
const ends = await load("../../../models/output/final.js");
// Through the hook, so that it is the same module as the path's.
const sync = await load("../../../sync/primitives.js");
const direct = await load("../../primitives.js");

const { options, config, threads } = workerData as SystemData;
const profile = profiles.findProfile!(options.profile);
const guard = guards.builtInGuard!(options.guard);

const lifeOf: Life = (turns, { thread, isAlone }) => {
  direct.useTurns!(turns);
  const name = threads[thread] ?? "";
  const ofTask = name === "timer" ? options.mappings.length : 0;
  const cpu = Number(/^rx(\d+)$/.exec(name)?.[1] ?? ofTask);
  sync.bindThread!({ cpu });
  if (thread < 0) {
    const k = kernel.createKernel!(turns.m, config, profile, guard);
    return begin.setUp!(k, options);
  }
  const k = kernel.attachKernel!(turns.m, config, profile, guard);
  const plugged = begin.pluggedFor!(k, options.kind, options.event) as { dev: number };
  if (isAlone) return ends.final!(k, options.event, plugged);
  const { mappings } = options;
  const sending = model.sendingDuring!(k, options.event, options.kind, options);
  if (name.startsWith("rx")) return model.receive!(k, mappings[cpu], sending);
  if (name === "admin") return model.takeAway!(k, options.event, plugged);
  if (name === "timer") return model.timerSoftirq!(k, plugged.dev);
  const life = LIVES[name];
  return life === undefined ? rivals.rival!(k, options.event, plugged.dev) : life(k);
};
const LIVES: Readonly<Record<string, Call>> = {
  kworker: model.kworker!,
  rcu: model.rcuCallbacks!,
};

repeatFor(lifeOf, (addr) => `word ${addr}`);
