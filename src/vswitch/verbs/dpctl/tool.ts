// The verbs of ovs-dpctl: those of ovs-appctl's dpctl/, under their own names. Main thread.
import type { Verb } from "../call.js";
import { COMMON_OPTIONS, flag } from "../options.js";
import { simpleTool } from "../tool.js";

const OPTIONS = [...COMMON_OPTIONS, flag("statistics", "s"), flag("names"), flag("more", "m")];
const VERBS: readonly Verb[] = [];

export const DPCTL = simpleTool("ovs-dpctl", { options: OPTIONS, verbs: VERBS });
