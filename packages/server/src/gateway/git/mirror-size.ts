import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { getFolderSize } from "./folder-size.ts";
import type { MirrorUse } from "./mirror-use.ts";
import { runGit } from "./run-git.ts";

const bytesPerMb = 1024 * 1024;
const pruneTimeoutMs = 300_000;

interface MirrorSizeOptions {
  readonly use: MirrorUse;
  readonly environment: Readonly<Record<string, string>>;
  readonly maxMirrorMb: number;
  getPath(id: string): string;
}

/**
 * Keeps each mirror within its limit. Objects that no branch needs any more, such as those of an
 * overwritten push, remain until the mirror exceeds its limit or a branch is removed.
 */
export class MirrorSizes {
  readonly #options: MirrorSizeOptions;
  /** Mirrors that hold objects of removed branches. */
  readonly #waste = new Set<string>();
  /** The size after the last removal: another removal is useful only after the mirror has grown. */
  readonly #sizeAfterPrune = new Map<string, number>();

  constructor(options: MirrorSizeOptions) {
    this.#options = options;
  }

  /**
   * Marks a mirror so that the next trim during which there is no writer removes its unreachable
   * objects.
   */
  markWaste(id: string): void {
    this.#waste.add(id);
  }

  /**
   * Brings a mirror back within its limit as far as that is possible now; returns its size in
   * bytes.
   */
  async trim(id: string): Promise<number> {
    const mirror = this.#options.getPath(id);
    const size = await getFolderSize(join(mirror, "objects"));
    const isOver = size > this.#limit && size > (this.#sizeAfterPrune.get(id) ?? 0);
    if (!isOver && !this.#waste.has(id)) return size;
    using claim = this.#options.use.claim(id);
    if (!claim) return size;
    await removeUnreachable(mirror, this.#options.environment);
    this.#waste.delete(id);
    const remainingBytes = await getFolderSize(join(mirror, "objects"));
    this.#sizeAfterPrune.set(id, remainingBytes);
    return remainingBytes;
  }

  /** Returns the reason why a mirror accepts no push, if any. */
  async findObstacle(id: string): Promise<string | undefined> {
    const size = await this.trim(id);
    if (size <= this.#limit) return undefined;
    const { maxMirrorMb } = this.#options;
    return `the server's mirror of this repository has ${Math.ceil(size / bytesPerMb)} MB and its limit is ${maxMirrorMb} MB; push less, or raise MAX_REPO_SIZE_MB on the server`;
  }

  get #limit(): number {
    return this.#options.maxMirrorMb * bytesPerMb;
  }
}

async function removeUnreachable(mirror: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const steps = [
    ["repack", "-a", "-d", "--quiet"],
    ["prune", "--expire=now"],
  ];
  for (const [command = "", ...args] of steps) {
    const result = await runGit([`--git-dir=${mirror}`, command, ...args], { environment, timeoutMs: pruneTimeoutMs });
    if (result.code !== 0) throw new WharfError("git_failed", { command, reason: result.stderr.trim().slice(-500) });
  }
}
