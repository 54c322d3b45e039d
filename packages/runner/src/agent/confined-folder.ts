import { WharfError } from "@wharf/contract";
import { openFolder, openFile } from "../support/rooted-path.ts";
import { readWholeFile } from "../support/read-bounded.ts";
import { replaceRootedFile } from "../support/replace-rooted-file.ts";

/** The largest file that is read or written here. */
const maxFileBytes = 50 * 1024 * 1024;

/** Files beneath one folder, for a client that is not trusted with any other. */
export class ConfinedFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Text of a file; undefined where there is none. */
  async read(path: string): Promise<string | undefined> {
    const opened = await openFile(this.#root, path).catch(ignoreNotFound);
    if (!opened) return undefined;
    await using file = opened.file;
    const bytes = await readWholeFile(file, maxFileBytes);
    if (!bytes) throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
    return bytes.toString();
  }

  /** Writes a whole file so that a reader sees the old or the new one. Its mode is kept, missing folders are made. */
  async write(path: string, content: string): Promise<void> {
    if (Buffer.byteLength(content) > maxFileBytes)
      throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
    // Not synced: a turn's commit is what survives a loss of power.
    await replaceRootedFile({ root: this.#root, path }, (file) => file.writeFile(content), { durable: false });
  }

  /** The real path of a folder beneath the root. */
  async getRealPath(path: string): Promise<string> {
    await using folder = await openFolder(this.#root, path);
    return await folder.getRealPath();
  }
}

function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof WharfError) || error.code !== "not_found") throw error;
}
