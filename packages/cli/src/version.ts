import { createRequire } from "node:module";
import { z } from "zod";

/** The version of the package this is part of; the bundle lies as deep in it as the sources do. */
export const version: string = z
  .object({ version: z.string() })
  .parse(createRequire(import.meta.url)("../package.json")).version;
