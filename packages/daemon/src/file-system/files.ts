import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes the creation, renaming or removal of the folder's entries survive a power failure. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file atomically: after a crash, the file has either the old or the new content. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const temporaryPath = `${path}.new`;
  const handle = await open(temporaryPath, "w", 0o600);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporaryPath, path);
  await syncFolder(dirname(path));
}

/** Returns whether the thrown value is a system error with one of these codes, such as `ENOENT`. */
export const isSystemError = (thrown: unknown, ...codes: string[]): thrown is NodeJS.ErrnoException =>
  thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" && codes.includes(thrown.code);

/** Returns whether a write failed because no space is left. */
export const isDiskFull = (thrown: unknown): boolean => isSystemError(thrown, "ENOSPC", "EDQUOT");

/** Returns a handler that ignores system errors with one of these codes and throws all others. */
export const ignoreSystemErrors =
  (...codes: string[]) =>
  (error: unknown): undefined => {
    if (!isSystemError(error, ...codes)) throw error;
    return undefined;
  };
