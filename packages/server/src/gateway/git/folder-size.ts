import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";

const checkIntervalMs = 150;
/** Number of checks of new packs between two counts of the whole folder. */
const checksPerCount = 30;

/**
 * Returns the bytes of all files in a folder and its subfolders. Files that vanish during the count
 * do not count.
 */
export async function getFolderSize(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? getFolderSize(path) : getFileSize(path);
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

const getFileSize = (path: string): Promise<number> =>
  stat(path).then(
    (stats) => stats.size,
    () => 0,
  );

const listPacks = (mirror: string): Promise<string[]> => readdir(join(mirror, "objects", "pack")).catch(() => []);

interface Baseline {
  readonly bytes: number;
  readonly packs: ReadonlySet<string>;
}

/**
 * Aborts its signal as soon as a mirror has grown by more than the limit. Git writes fetched
 * objects into new packs, so this class checks new packs often and the whole mirror, which may hold
 * many thousand files, rarely.
 */
export class GrowthWatch implements Disposable {
  readonly #controller = new AbortController();
  readonly #folder: string;
  readonly #limit: number;
  readonly #baseline: Baseline;
  #checkCount = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(folder: string, limit: number, baseline: Baseline) {
    this.#folder = folder;
    this.#limit = limit;
    this.#baseline = baseline;
    this.#scheduleCheck();
  }

  static async start(folder: string, limitBytes: number): Promise<GrowthWatch> {
    const packs = new Set(await listPacks(folder));
    return new GrowthWatch(folder, limitBytes, { bytes: await getFolderSize(folder), packs });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get exceeded(): boolean {
    return this.#controller.signal.aborted;
  }

  async check(): Promise<boolean> {
    if ((await getFolderSize(this.#folder)) - this.#baseline.bytes > this.#limit) this.#controller.abort();
    return this.exceeded;
  }

  async #checkNewPacks(): Promise<void> {
    if (++this.#checkCount % checksPerCount === 0) {
      await this.check();
      return;
    }
    const fresh = (await listPacks(this.#folder)).filter((name) => !this.#baseline.packs.has(name));
    const sizes = await Promise.all(fresh.map((name) => getFileSize(join(this.#folder, "objects", "pack", name))));
    if (sizes.reduce((sum, size) => sum + size, 0) > this.#limit) this.#controller.abort();
  }

  #scheduleCheck(): void {
    this.#timer = setTimeout(() => {
      void this.#checkNewPacks().then(() => {
        if (this.#timer && !this.exceeded) this.#scheduleCheck();
      });
    }, checkIntervalMs);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/**
 * Removes the leftovers of a killed fetch from a mirror: git's own clean-up does not know these
 * files.
 */
export async function removeLeftovers(mirror: string): Promise<void> {
  const packs = join(mirror, "objects", "pack");
  const names = await listPacks(mirror);
  await Promise.all(
    names.filter((name) => name.startsWith("tmp_")).map((name) => rm(join(packs, name), { force: true })),
  );
}
