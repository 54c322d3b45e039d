import { lstat, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { WharfError } from "@wharf/contract";

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Where a path really leads, be its last parts there or not. A link that leads nowhere is not followed. */
async function realPath(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (!isMissing(error) || (await exists(path))) return undefined;
  }
  const parent = dirname(path);
  if (parent === path) return undefined;
  const real = await realPath(parent);
  return real && join(real, basename(path));
}

/** The absolute path of a file beneath `root`; refused where it, or a link on its way, leads out. */
export async function confine(root: string, path: string): Promise<string> {
  const wanted = resolve(root, path);
  const base = await realpath(root);
  const real = await realPath(wanted);
  if (real === undefined || (real !== base && !real.startsWith(base + sep)))
    throw new WharfError("path_outside", { path });
  return wanted;
}
