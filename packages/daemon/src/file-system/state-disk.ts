import { randomBytes } from "node:crypto";
import { rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDiskFull } from "./files.ts";

const reserveBytes = 512 * 1024;
/**
 * A disk with less free space counts as full: neither a journal segment nor a git object of any
 * size fits.
 */
const fullBelowBytes = 64 * 1024;

/**
 * Watches the disk of the daemon's state. A reserve file on it keeps some space back and is removed
 * when the disk is full and a turn has to end: the turn's last records then fit, no matter what
 * filled the disk.
 */
export class StateDisk {
  readonly #folder: string;
  readonly #reserve: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#reserve = join(folder, "reserve");
  }

  isFull(): Promise<boolean> {
    return isFull(this.#folder);
  }

  /** Removes the reserve if the disk is full. */
  async makeRoom(): Promise<void> {
    if (await this.isFull()) await this.#removeReserve();
  }

  /** Creates the reserve if it is missing and there is ample room. */
  async keepReserve(): Promise<void> {
    const reserveStats = await stat(this.#reserve).catch(() => undefined);
    if (reserveStats?.isFile() && reserveStats.size === reserveBytes) return;
    await this.#removeReserve();
    if ((await getFreeBytes(this.#folder)) < 4 * reserveBytes) return;
    try {
      // The content is random, because a compressing file system would keep no space back for
      // zeros.
      await writeFile(this.#reserve, randomBytes(reserveBytes), { mode: 0o600 });
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      await this.#removeReserve();
    }
  }

  #removeReserve(): Promise<void> {
    return rm(this.#reserve, { recursive: true, force: true });
  }
}

/** Returns whether a folder's disk has practically no space left. */
export const isFull = async (folder: string): Promise<boolean> => (await getFreeBytes(folder)) < fullBelowBytes;

async function getFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
