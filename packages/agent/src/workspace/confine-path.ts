import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { WharfError } from "@wharf/contract";

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");

const isPresent = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Resolves the real path, even if its last parts are missing. A dangling link is not followed. */
async function getRealPath(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isMissing(error) || (await isPresent(path))) return undefined;
  }
  const parent = dirname(path);
  if (parent === path) return undefined;
  const real = await getRealPath(parent);
  return real && join(real, basename(path));
}

/** Returns the absolute path of a file inside `root`; refuses paths and links that lead outside. */
export async function confinePath(root: string, path: string): Promise<string> {
  const target = resolve(root, path);
  const base = await realpath(root);
  const real = await getRealPath(target);
  if (real === undefined || (real !== base && !real.startsWith(base + sep)))
    throw new WharfError("path_outside", { path });
  return target;
}
