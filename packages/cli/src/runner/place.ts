import { basename, join } from "node:path";
import { createUsageError } from "../failure.ts";

/** One end of a copy: a path here, or one in a runner. */
export type Place =
  | { readonly path: string; readonly runner?: undefined }
  | { readonly path: string; readonly runner: string };

/** `RUNNER:PATH` is in a runner; anything else is here, also `./a:b`. */
export function parsePlace(text: string): Place {
  const match = /^([0-9a-f-]{8,36}):(.*)$/is.exec(text);
  if (!match) return { path: text };
  return { runner: (match[1] ?? "").toLowerCase(), path: match[2] || "." };
}

/** A name for what stands at a path, in the folder it is copied into. */
export function getTargetPath(folder: string, path: string): string {
  const name = basename(path);
  if (name === "" || name === "." || name === "..")
    throw createUsageError(`'${path}' has no name to be copied under: name the destination`);
  return join(folder, name);
}
