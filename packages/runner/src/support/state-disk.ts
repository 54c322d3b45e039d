import { randomBytes } from "node:crypto";
import { rm, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDiskFull } from "./files.ts";

const reserveBytes = 512 * 1024;
/** With less than this, a disk counts as full: no journal segment and no git object of any size fits. */
const fullBelowBytes = 64 * 1024;

/**
 * The disk of the daemon's state. A file on it keeps some space back, which is given up when the disk is full and a turn
 * has to end: its last records fit then, whoever filled the disk.
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

  /** Gives the reserve up if the disk is full. */
  async makeRoom(): Promise<void> {
    if (await this.isFull()) await this.#removeReserve();
  }

  /** Puts the reserve back if it is missing and there is ample room for it. */
  async keepReserve(): Promise<void> {
    const reserveStats = await stat(this.#reserve).catch(() => undefined);
    if (reserveStats?.isFile() && reserveStats.size === reserveBytes) return;
    await this.#removeReserve();
    if ((await getFreeBytes(this.#folder)) < 4 * reserveBytes) return;
    try {
      // Random, because a file system that compresses would keep no space back for zeros.
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

/** Whether the disk that a folder is on has practically no space left. */
export const isFull = async (folder: string): Promise<boolean> => (await getFreeBytes(folder)) < fullBelowBytes;

async function getFreeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
