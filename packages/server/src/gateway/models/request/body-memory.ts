import { WharfError } from "@wharf/contract";

/** Bodies of one runner that may be in memory at the same time. */
const maxRunnerBytes = 64 * 1024 * 1024;
/** Bodies of all runners. */
const maxTotalBytes = 192 * 1024 * 1024;
/** What a runner may have even if others hold all of that, and how much that may be together. */
const maxSmallBytes = 4 * 1024 * 1024;
const maxTotalWithSmallBytes = 256 * 1024 * 1024;

/** Limits the memory that the bodies of open requests take together. */
export class BodyMemory {
  readonly #bytesByRunner = new Map<string, number>();
  #totalBytes = 0;

  reserve(runnerId: string, bytes: number): void {
    const runnerBytes = (this.#bytesByRunner.get(runnerId) ?? 0) + bytes;
    const maxBytes = runnerBytes <= maxSmallBytes ? maxTotalWithSmallBytes : maxTotalBytes;
    if (runnerBytes > maxRunnerBytes || this.#totalBytes + bytes > maxBytes)
      throw new WharfError("rate_limited", { retry_after_s: 1 });
    this.#bytesByRunner.set(runnerId, runnerBytes);
    this.#totalBytes += bytes;
  }

  release(runnerId: string, bytes: number): void {
    const runnerBytes = (this.#bytesByRunner.get(runnerId) ?? 0) - bytes;
    if (runnerBytes > 0) this.#bytesByRunner.set(runnerId, runnerBytes);
    else this.#bytesByRunner.delete(runnerId);
    this.#totalBytes -= bytes;
  }
}
