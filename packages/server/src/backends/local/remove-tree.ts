import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { lstat, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { WharfError } from "@wharf/contract";

const runFile = promisify(execFile);
const trashPrefix = ".trash-";

/**
 * Removes a folder that a runner filled. Its name disappears at once; its contents may be odd:
 * locked folders, links to anywhere, trees deeper than the longest path. `chmod -R` and `rm`
 * descend through open folders and follow no links, unlike Node's own functions.
 */
export async function removeTree(folder: string): Promise<void> {
  const stats = await lstat(folder).catch(() => undefined);
  if (stats === undefined) return;
  const trash = join(dirname(folder), `${trashPrefix}${basename(folder)}-${randomUUID()}`);
  await rename(folder, trash);
  await discardFolder(trash);
}

/** Removes the remains of interrupted removals. */
export async function emptyTrash(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(trashPrefix))) await discardFolder(join(parent, name));
}

async function discardFolder(trash: string): Promise<void> {
  const options = { env: { PATH: "/usr/bin:/bin", LC_ALL: "C" }, cwd: "/" };
  try {
    const isFolder = (await lstat(trash)).isDirectory();
    if (isFolder) await runFile("chmod", ["-R", "u+rwX", "--", trash], options);
    await runFile("rm", ["-rf", "--", trash], options);
  } catch (error) {
    throw new WharfError(
      "backend_failed",
      { backend: "local", reason: `${trash} cannot be removed` },
      { cause: error },
    );
  }
}
