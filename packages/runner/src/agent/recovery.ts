import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { isDiskFull } from "../support/files.ts";
import type { AgentHostOptions } from "./types.ts";
import type { Timing } from "./timing.ts";
import { within } from "./within.ts";

/** How far the host is with what an earlier daemon left open. On a full disk that takes until there is room. */
export class Recovery {
  readonly #options: Pick<AgentHostOptions, "disk" | "state">;
  readonly #timing: Pick<Timing, "recovery" | "retry">;
  #done: Promise<void> = Promise.resolve();

  constructor(options: Pick<AgentHostOptions, "disk" | "state">, timing: Pick<Timing, "recovery" | "retry">) {
    this.#options = options;
    this.#timing = timing;
  }

  begin(settle: () => Promise<void>): Promise<void> {
    this.#done = this.#settle(settle);
    return this.#done;
  }

  /** Waits for it, but not long. */
  async soon(): Promise<void> {
    await within(this.#done, this.#timing.recovery);
  }

  /** Waits for it. A caller on a full disk is told, instead of kept waiting for good. */
  async done(): Promise<void> {
    const { disk, state } = this.#options;
    let isDone = false;
    const done = this.#done.then(() => void (isDone = true));
    for (;;) {
      await within(done, this.#timing.recovery);
      if (isDone) return;
      if (await disk.isFull()) throw new WharfError("disk_full", { path: state });
    }
  }

  async #settle(settle: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await settle();
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        await this.#options.disk.makeRoom();
        await sleep(this.#timing.retry);
      }
    }
  }
}
