import { constants } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { ignoreSystemErrors } from "../file-system/files.ts";
import { readWholeFile } from "../file-system/read-bounded.ts";
import { temporaryRule } from "../file-system/temporary-name.ts";

const maxBytes = 1024 * 1024;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/**
 * Makes the agent's git ignore files that are being written. An exclude file that cannot be changed
 * stays unchanged.
 */
export async function excludeTemporaryFiles(repository: string): Promise<void> {
  const folder = join(repository, "info");
  try {
    await mkdir(folder).catch(ignoreSystemErrors("EEXIST"));
    await using file = await open(join(folder, "exclude"), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    if (!(await file.stat()).isFile()) return;
    const text = (await readWholeFile(file, maxBytes))?.toString();
    if (text === undefined || text.split("\n").includes(temporaryRule)) return;
    await file.appendFile(`${text === "" || text.endsWith("\n") ? "" : "\n"}${temporaryRule}\n`);
  } catch (error) {
    ignoreSystemErrors(...ignoredCodes)(error);
  }
}

/**
 * These codes come from a file the agent may have put in place of the real one, or from a disk that
 * accepts no writes.
 */
const ignoredCodes = ["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "ENXIO", "EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"];
