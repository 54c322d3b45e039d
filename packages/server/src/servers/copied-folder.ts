import { readFile, realpath, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { z } from "zod";

const FolderLocation = z.object({ path: z.string(), device: z.number(), inode: z.number() });
type FolderLocation = z.infer<typeof FolderLocation>;

export const locationFile = "location.json";

/**
 * Refuses a copied data folder while the original still exists: both servers would know the same
 * runners, by the same keys, and each would act on the other's. A moved folder records its new
 * location.
 */
export async function refuseCopiedFolder(folder: string): Promise<void> {
  const path = await realpath(folder);
  const file = join(path, locationFile);
  const currentLocation = await getLocation(path);
  const recorded = await readLocation(file);
  if (recorded && recorded.path !== path) {
    const original = await getLocation(recorded.path).catch(() => undefined);
    const isThere = original?.device === recorded.device && original.inode === recorded.inode;
    const isSame = currentLocation.device === recorded.device && currentLocation.inode === recorded.inode;
    if (isThere && !isSame) throw new WharfError("data_folder_copied", { path, original: recorded.path, file });
  }
  if (JSON.stringify(recorded) !== JSON.stringify(currentLocation))
    await writeFile(file, JSON.stringify(currentLocation), { mode: 0o600 });
}

async function getLocation(path: string): Promise<FolderLocation> {
  const { dev, ino } = await stat(path);
  return { path, device: dev, inode: ino };
}

/** An unreadable file protects nothing, so it is written again. */
async function readLocation(file: string): Promise<FolderLocation | undefined> {
  try {
    return FolderLocation.parse(JSON.parse(await readFile(file, "utf8")));
  } catch {
    return undefined;
  }
}
