// What every scenario file begins with, whatever kind it is of. Data; any thread.
import { z } from "zod";

/** The fields that name a scenario, for the schemas of all kinds. */
export const headFields = {
  $schema: z.string().optional(),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,59}$/, "expected lower-case words joined by hyphens"),
  description: z.string().default(""),
};
