import { access, constants, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import type { WharfError } from "@wharf/contract";
import { requireClosedFolder } from "@wharf/contract/closed-folder";
import { formatSize } from "../render/numbers.ts";
import type { Check, DoctorContext } from "./check.ts";

const name = "data folder";
/** Runners, mirrors and a database need some space. */
const comfortableBytes = 2 * 1024 ** 3;
const scarceBytes = 200 * 1024 ** 2;

/**
 * Checks whether the data folder is usable: by the server, and if root runs it, also by the user
 * that PostgreSQL runs as.
 */
export async function checkDataFolder({ settings }: DoctorContext): Promise<Check> {
  const { dataFolder, environment } = settings;
  const existingFolder = await getExistingFolder(dataFolder);
  const isThere = existingFolder === dataFolder;
  const writable = await access(existingFolder, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!writable) {
    return {
      name,
      status: "fail",
      text: `${dataFolder}: ${isThere ? "it" : existingFolder} cannot be written to`,
      next: "Choose another folder with WHARF_DATA, or ask its owner for write access.",
    };
  }
  const closedFolder =
    process.getuid?.() === 0 && !environment.DATABASE_URL ? await getClosedFolder(existingFolder) : undefined;
  if (closedFolder !== undefined) {
    const next = `Choose a folder outside it with WHARF_DATA, let other users enter it (\`chmod o+x ${closedFolder}\`), or set DATABASE_URL.`;
    return {
      name,
      status: "fail",
      text: `${dataFolder}: PostgreSQL does not run as root, and its user cannot enter ${closedFolder}`,
      next,
    };
  }
  const openError = await requireClosedFolder(existingFolder).then(
    () => undefined,
    (error: WharfError) => error,
  );
  if (isThere && openError) return { name, status: "fail", text: openError.message, next: openError.next };
  const { bavail, bsize } = await statfs(existingFolder);
  const freeBytes = bavail * bsize;
  const text = `${dataFolder}${isThere ? "" : " (created at the first start)"}, ${formatSize(freeBytes)} free`;
  if (freeBytes >= comfortableBytes) return { name, status: "ok", text };
  return {
    name,
    status: freeBytes < scarceBytes ? "fail" : "warn",
    text,
    next: "Free some space, or choose a folder on another disk with WHARF_DATA.",
  };
}

/** Returns the folder itself, or its nearest existing parent. */
async function getExistingFolder(folder: string): Promise<string> {
  for (let one = folder; ; one = dirname(one)) {
    const stats = await stat(one).catch(() => undefined);
    if (stats?.isDirectory() || one === dirname(one)) return one;
  }
}

/** Returns the nearest folder on the path that an unprivileged user may not pass. */
async function getClosedFolder(folder: string): Promise<string | undefined> {
  for (let one = folder; ; one = dirname(one)) {
    const { mode } = await stat(one);
    if (!(mode & 0o001)) return one;
    if (one === dirname(one)) return undefined;
  }
}
