import { holdFolder, openRegular, type HeldFolder } from "../support/beneath.ts";

const MOST = 8;

/** Opens files of a workspace. The folders of the last ones stay held, because the next file is often beside them. */
export class HeldFolders implements AsyncDisposable {
  readonly #workspace: string;
  /** The one used last is the last. */
  readonly #held = new Map<string, HeldFolder>();

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /** Opens a regular file, which is no link. */
  async open(path: string): ReturnType<typeof openRegular> {
    const slash = path.lastIndexOf("/");
    return await openRegular(await this.#hold(slash === -1 ? "." : path.slice(0, slash)), path.slice(slash + 1));
  }

  async #hold(path: string): Promise<HeldFolder> {
    const held = this.#held.get(path) ?? (await holdFolder(this.#workspace, path));
    this.#held.delete(path);
    this.#held.set(path, held);
    for (const [oldest, folder] of this.#held) {
      if (this.#held.size <= MOST) break;
      this.#held.delete(oldest);
      await folder[Symbol.asyncDispose]();
    }
    return held;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const folder of this.#held.values()) await folder[Symbol.asyncDispose]();
  }
}
