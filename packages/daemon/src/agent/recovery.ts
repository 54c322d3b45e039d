import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { isDiskFull } from "../file-system/files.ts";
import { waitAtMost } from "../std/wait-at-most.ts";
import type { Timing } from "./timing.ts";
import type { AgentHostOptions } from "./types.ts";

/**
 * Recovery tracks how far the host has settled the work of an earlier daemon. On a full disk,
 * recovery lasts until there is room.
 */
export class Recovery {
  readonly #options: Pick<AgentHostOptions, "disk" | "state">;
  readonly #timing: Pick<Timing, "recoveryMs" | "retryMs">;
  #done: Promise<void> = Promise.resolve();

  constructor(options: Pick<AgentHostOptions, "disk" | "state">, timing: Pick<Timing, "recoveryMs" | "retryMs">) {
    this.#options = options;
    this.#timing = timing;
  }

  start(settle: () => Promise<void>): Promise<void> {
    this.#done = this.#retrySettle(settle);
    return this.#done;
  }

  /** Waits for recovery, but only briefly. */
  async waitBriefly(): Promise<void> {
    await waitAtMost(this.#done, this.#timing.recoveryMs);
  }

  /**
   * Waits for recovery. Throws on a full disk, instead of keeping the caller waiting indefinitely.
   */
  async waitUntilDone(): Promise<void> {
    const { disk, state } = this.#options;
    let isDone = false;
    const completion = this.#done.then(() => void (isDone = true));
    for (;;) {
      await waitAtMost(completion, this.#timing.recoveryMs);
      if (isDone) return;
      if (await disk.isFull()) throw new WharfError("disk_full", { path: state });
    }
  }

  async #retrySettle(settle: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await settle();
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        await this.#options.disk.makeRoom();
        await sleep(this.#timing.retryMs);
      }
    }
  }
}
