import { realpath } from "node:fs/promises";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { WharfError } from "@wharf/contract";
import { isSystemError } from "./files.ts";

/** The real path of something that exists beneath the root, links followed. Beyond the root it is `path_outside`. */
export async function resolveBeneath(root: string, path: string): Promise<string> {
  const realRoot = await realpath(root);
  const wanted = resolve(realRoot, path);
  // Said before looking, so that nobody learns what exists outside; and again after the links were followed.
  if (!lies(realRoot, wanted) && !lies(resolve(root), wanted)) throw new WharfError("path_outside", { path });
  const real = await realpath(wanted).catch((error: unknown) => {
    if (isSystemError(error, "ENOENT", "ENOTDIR"))
      throw new WharfError("not_found", { what: "folder", id: path }, { cause: error });
    throw error;
  });
  if (!lies(realRoot, real)) throw new WharfError("path_outside", { path });
  return real;
}

function lies(root: string, path: string): boolean {
  const from = relative(root, path);
  return from === "" || (from !== ".." && !from.startsWith(`..${sep}`) && !isAbsolute(from));
}
