import { constants } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { isSystemError } from "../support/files.ts";
import { readWholeFile } from "../support/read-bounded.ts";
import { temporaryRule } from "../support/temporary-name.ts";

const maxBytes = 1024 * 1024;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

/** Has the agent's git overlook the files that are being written. What cannot be changed stays as it is. */
export async function excludeTemporaryFiles(repository: string): Promise<void> {
  const folder = join(repository, "info");
  try {
    await mkdir(folder).catch(ignoreErrors("EEXIST"));
    await using file = await open(join(folder, "exclude"), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK);
    if (!(await file.stat()).isFile()) return;
    const text = (await readWholeFile(file, maxBytes))?.toString();
    if (text === undefined || text.split("\n").includes(temporaryRule)) return;
    await file.appendFile(`${text === "" || text.endsWith("\n") ? "" : "\n"}${temporaryRule}\n`);
  } catch (error) {
    ignoreErrors(...ignoredCodes)(error);
  }
}

/** What the agent may have put in its place, or a disk that takes nothing. */
const ignoredCodes = ["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "ENXIO", "EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"];
const ignoreErrors =
  (...codes: string[]) =>
  (error: unknown): void => {
    if (!isSystemError(error, ...codes)) throw error;
  };
