import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Replaces the content of a folder. An unchanged folder stays in place. A changed one is moved
 * aside, not removed: running runners have files of the kit mounted.
 */
export async function replaceFolder(folder: string, fill: (fresh: string) => Promise<void>): Promise<void> {
  const fresh = `${folder}.${process.pid}`;
  const previous = `${folder}.previous`;
  await rm(fresh, { recursive: true, force: true });
  await fill(fresh);
  if (existsSync(folder)) {
    if ((await fingerprint(fresh)) === (await fingerprint(folder))) return rm(fresh, { recursive: true });
    await rm(previous, { recursive: true, force: true });
    await rename(folder, previous);
  }
  await rename(fresh, folder);
}

async function fingerprint(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(folder.length));
  for (const path of paths.toSorted()) hash.update(path).update(await readFile(folder + path));
  return hash.digest("hex");
}
