import { basename, join } from "node:path";
import { createUsageError } from "../failure.ts";

/** Names one end of a copy: a local path, or a path in a runner. */
export type Place =
  | { readonly path: string; readonly runner?: undefined }
  | { readonly path: string; readonly runner: string };

/** `RUNNER:PATH` is in a runner; any other text is a local path, including `./a:b`. */
export function parsePlace(text: string): Place {
  const match = /^([0-9a-f-]{8,36}):(.*)$/is.exec(text);
  if (!match) return { path: text };
  return { runner: (match[1] ?? "").toLowerCase(), path: match[2] || "." };
}

/** Returns the path of a copy inside the destination folder, under the source's name. */
export function getTargetPath(folder: string, path: string): string {
  const name = basename(path);
  if (name === "" || name === "." || name === "..")
    throw createUsageError(`'${path}' has no file name: name the destination`);
  return join(folder, name);
}
