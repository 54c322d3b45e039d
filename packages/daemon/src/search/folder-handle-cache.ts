import { openFolder, openRegularFile, type FolderHandle } from "../file-system/rooted-path.ts";

const maxFolders = 8;

/**
 * Opens files of a workspace. The most recent folders stay open, because the next file is often in
 * one of them.
 */
export class FolderHandleCache implements AsyncDisposable {
  readonly #workspace: string;
  /** The most recently used handle is the last. */
  readonly #handles = new Map<string, FolderHandle>();

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /** Opens a regular file that is not a link. */
  async openFile(path: string): ReturnType<typeof openRegularFile> {
    const slash = path.lastIndexOf("/");
    return await openRegularFile(
      await this.#getFolder(slash === -1 ? "." : path.slice(0, slash)),
      path.slice(slash + 1),
    );
  }

  async #getFolder(path: string): Promise<FolderHandle> {
    const handle = this.#handles.get(path) ?? (await openFolder(this.#workspace, path));
    this.#handles.delete(path);
    this.#handles.set(path, handle);
    for (const [oldest, folder] of this.#handles) {
      if (this.#handles.size <= maxFolders) break;
      this.#handles.delete(oldest);
      await folder[Symbol.asyncDispose]();
    }
    return handle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const folder of this.#handles.values()) await folder[Symbol.asyncDispose]();
  }
}
