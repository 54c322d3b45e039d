import { WharfError } from "@wharf/contract";
import { readWholeFile } from "../file-system/read-bounded.ts";
import { replaceRootedFile } from "../file-system/replace-rooted-file.ts";
import { openFolder, openFile } from "../file-system/rooted-path.ts";

/** ConfinedFolder reads and writes files up to this size. */
const maxFileBytes = 50 * 1024 * 1024;

/**
 * ConfinedFolder gives access to the files in one folder, for a client that is trusted with no
 * other.
 */
export class ConfinedFolder {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Returns the text of a file, or undefined if the file does not exist. */
  async read(path: string): Promise<string | undefined> {
    const opened = await openFile(this.#root, path).catch(ignoreNotFound);
    if (!opened) return undefined;
    await using file = opened.file;
    const bytes = await readWholeFile(file, maxFileBytes);
    if (!bytes) throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
    return bytes.toString();
  }

  /**
   * Replaces a whole file atomically: a reader sees the old content or the new. The mode is kept;
   * missing folders are created.
   */
  async write(path: string, content: string): Promise<void> {
    if (Buffer.byteLength(content) > maxFileBytes)
      throw new WharfError("file_too_large", { path, limit_bytes: maxFileBytes });
    // The file is not synced: only a turn's commit survives a loss of power.
    await replaceRootedFile({ root: this.#root, path }, (file) => file.writeFile(content), { durable: false });
  }

  /** Returns the real path of a folder in the root. */
  async getRealPath(path: string): Promise<string> {
    await using folder = await openFolder(this.#root, path);
    return await folder.getRealPath();
  }
}

function ignoreNotFound(error: unknown): undefined {
  if (!(error instanceof WharfError) || error.code !== "file_not_found") throw error;
}
