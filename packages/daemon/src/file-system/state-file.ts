import { constants } from "node:fs";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { isSystemError } from "./files.ts";
import { readWholeFile } from "./read-bounded.ts";

export type StateFileResult =
  | { readonly kind: "missing" }
  | { readonly kind: "read"; readonly content: Buffer }
  /** The path holds something that the daemon never puts there. */
  | { readonly kind: "unusable"; readonly reason: string };

/**
 * Reads a file of the daemon's own state. A folder, a socket, a file over the limit or a file that
 * the disk refuses is reported instead of thrown: a damaged file must not keep the daemon from
 * starting.
 */
export async function readStateFile(path: string, maxBytes: number): Promise<StateFileResult> {
  try {
    // Without O_NONBLOCK, a named pipe in the file's place would block the open for good.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    if (!(await file.stat()).isFile()) return { kind: "unusable", reason: "not a regular file" };
    const content = await readWholeFile(file, maxBytes);
    return content ? { kind: "read", content } : { kind: "unusable", reason: `larger than ${maxBytes} bytes` };
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return { kind: "missing" };
    if (isSystemError(error, "EACCES", "EPERM", "ELOOP", "ENXIO", "EIO"))
      return { kind: "unusable", reason: error.message };
    throw error;
  }
}

/**
 * Replaces a record of a process. The file is not fsynced: a power failure that loses the record
 * ends the process too.
 */
export async function writeStateFile(path: string, record: object): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Moves a damaged file or folder out of the way and keeps the newest one for inspection. */
export async function setAside(path: string): Promise<void> {
  const aside = `${path}.damaged`;
  await rm(aside, { recursive: true, force: true });
  await rename(path, aside);
}

/**
 * Creates a folder of the daemon's own state. An entry of another kind in its place is set aside.
 */
export async function ensureStateFolder(path: string): Promise<void> {
  const createFolder = () => mkdir(path, { recursive: true, mode: 0o700 });
  await createFolder().catch(async (error: unknown) => {
    if (!isSystemError(error, "EEXIST")) throw error;
    await setAside(path);
    await createFolder();
  });
}
