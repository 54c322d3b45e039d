import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const byDescriptor = process.platform === "linux";
const isCode = (error: unknown, ...codes: string[]) =>
  error instanceof Error && "code" in error && codes.includes(String(error.code));

/** Reports that a link, a file or a device is in place of a required folder. */
export class NotAFolderError extends Error {}

/**
 * Holds a folder open. Its entries are reached through the open folder, so that replacing the
 * folder by a link changes nothing. On systems without `/proc/self/fd` the folder's path is used.
 */
export class HeldFolder implements AsyncDisposable {
  readonly #handle: FileHandle;
  readonly #path: string;

  private constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  /** Opens a folder. Its last name may be a link only if the caller chose it. */
  static async open(path: string, { followLink = false } = {}): Promise<HeldFolder> {
    const flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | (followLink ? 0 : O_NOFOLLOW);
    return new HeldFolder(await open(path, flags), path);
  }

  /** Returns a path to an entry of this very folder. */
  getPath(name: string): string {
    return byDescriptor ? `/proc/self/fd/${this.#handle.fd}/${name}` : join(this.#path, name);
  }

  /** Opens a subfolder, and creates it if its name is free; never follows a link. */
  async enter(name: string, mode?: number): Promise<HeldFolder> {
    const path = this.getPath(name);
    const isNew = await mkdir(path, 0o700).then(
      () => true,
      (error: unknown) => {
        if (isCode(error, "EEXIST")) return false;
        throw error;
      },
    );
    try {
      const handle = await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
      if (isNew) await handle.chmod((mode ?? 0o777) & 0o777 & ~process.umask());
      return new HeldFolder(handle, join(this.#path, name));
    } catch (error) {
      throw isCode(error, "ENOTDIR", "ELOOP") ? new NotAFolderError() : error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}
