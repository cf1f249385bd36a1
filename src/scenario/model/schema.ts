// What a user may write in a scenario of a model: a system of `src/models`, one of its variants or
// parameters of its own, and the verdict that exploring it must come to. Data; any thread.
import { z } from "zod";
import { VERDICTS } from "../../explore/types.js";
import { SYSTEMS } from "../../models/systems.js";
import { headFields } from "../head.js";

const NAMES = SYSTEMS.map((one) => one.name);

export const modelSchema = z
  .strictObject({
    ...headFields,
    system: z
      .enum(NAMES)
      .meta({ description: "A system of threads, as `packetpath matrix --system` lists them." }),
    variant: z.string().min(1).max(60).optional().meta({
      description: "Id of one of its variants; default: the program as it stands, repaired.",
    }),
    // Each is held against the program's own, which says better what is wrong with it.
    parameters: z
      .record(z.string(), z.unknown())
      .default({})
      .meta({ description: "Parameters of the program that are other than the variant's." }),
    expect: z.enum(VERDICTS).meta({ description: "What exploring it must come to." }),
  })
  .meta({ title: "packetpath scenario of a model" });
