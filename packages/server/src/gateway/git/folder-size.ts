import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const checkEvery = 150; // ms

/** Bytes of all files beneath a folder. What vanishes while it is counted counts nothing. */
export async function folderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory()
        ? folderSize(path)
        : stat(path).then(
            (found) => found.size,
            () => 0,
          );
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Aborts its signal as soon as the folder has grown by more than the limit. */
export class GrowthWatch implements Disposable {
  readonly #controller = new AbortController();
  readonly #folder: string;
  readonly #limit: number;
  readonly #before: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor(folder: string, limit: number, before: number) {
    this.#folder = folder;
    this.#limit = limit;
    this.#before = before;
    this.#schedule();
  }

  static async start(folder: string, limitBytes: number): Promise<GrowthWatch> {
    return new GrowthWatch(folder, limitBytes, await folderSize(folder));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get exceeded(): boolean {
    return this.#controller.signal.aborted;
  }

  async check(): Promise<boolean> {
    if ((await folderSize(this.#folder)) - this.#before > this.#limit) this.#controller.abort();
    return this.exceeded;
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      void this.check().then(() => {
        if (this.#timer && !this.exceeded) this.#schedule();
      });
    }, checkEvery);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Removes what a killed fetch left in a mirror: git does not name these files to its own clean-up. */
export async function removeLeftovers(mirror: string): Promise<void> {
  const packs = join(mirror, "objects", "pack");
  const names = await readdir(packs).catch(() => []);
  await Promise.all(
    names.filter((name) => name.startsWith("tmp_")).map((name) => rm(join(packs, name), { force: true })),
  );
}
