import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { RunnerClient } from "../client/index.ts";
import type { RunnerRow } from "../runners.ts";
import type { Link } from "./link.ts";

export interface RunnerLinksOptions {
  /** The links that runs hold, by runner. */
  readonly runLinks: ReadonlyMap<string, Link>;
  /** Whether a run works in the runner; the client then waits for the run's link. */
  readonly hasActiveRun: (runnerId: string) => Promise<boolean>;
  /** Opens a link to a standalone runner. */
  readonly openLink: (runnerId: string, signal: AbortSignal) => Promise<Link>;
  /** How long an unused link is kept, in ms. */
  readonly idleMs?: number;
}

/** Use of a runner until it is disposed of; meanwhile its link is not closed as idle. */
export interface RunnerUse extends Disposable {
  readonly client: RunnerClient;
}

interface RunnerEntry {
  readonly client: RunnerClient;
  users: number;
  opening: Promise<Link> | undefined;
  stop: AbortController;
  link: Link | undefined;
  idle: NodeJS.Timeout | undefined;
}

const defaultIdleMs = 60_000;
/** How often to check for a run's link. */
const pollIntervalMs = 100;

/**
 * Links for requests that access a runner: one per runner, shared by all, as a higher epoch
 * displaces a lower one.
 *
 * - A run's runner: the link that the run holds, or is about to. No second link is ever opened.
 * - A standalone runner: *none* → *opening*, once for all waiters → *open* while in use and 60 s
 *   more → *none*. A link that broke or was displaced leads back to none; the next call opens
 *   another.
 */
export class RunnerLinks {
  readonly #options: RunnerLinksOptions;
  readonly #entries = new Map<string, RunnerEntry>();
  #isClosed = false;

  constructor(options: RunnerLinksOptions) {
    this.#options = options;
  }

  /** Gives the work a client of the runner, and keeps the link open meanwhile. */
  async use<T>(runner: Pick<RunnerRow, "id" | "owner_id">, work: (client: RunnerClient) => Promise<T>): Promise<T> {
    using use = this.acquire(runner);
    return await work(use.client);
  }

  acquire({ id, owner_id }: Pick<RunnerRow, "id" | "owner_id">): RunnerUse {
    if (this.#isClosed) throw new WharfError("runner_unavailable", { runner_id: id, reason: "the server is stopping" });
    const entry = this.#getEntry(id, owner_id !== null);
    entry.users++;
    clearTimeout(entry.idle);
    let isReleased = false;
    return {
      client: entry.client,
      [Symbol.dispose]: () => {
        if (isReleased) return;
        isReleased = true;
        entry.users--;
        if (entry.users > 0) return;
        if (this.#entries.get(id) !== entry) return;
        entry.idle = setTimeout(() => void this.release(id), this.#options.idleMs ?? defaultIdleMs).unref();
      },
    };
  }

  /** Whether anyone uses the runner at the moment. */
  isInUse(runnerId: string): boolean {
    return (this.#entries.get(runnerId)?.users ?? 0) > 0;
  }

  /** Closes the link even if it is in use. */
  async release(runnerId: string): Promise<void> {
    const entry = this.#entries.get(runnerId);
    if (!entry) return;
    this.#entries.delete(runnerId);
    clearTimeout(entry.idle);
    entry.stop.abort(
      new WharfError("runner_unavailable", { runner_id: runnerId, reason: "its connection was closed" }),
    );
    const link = entry.link ?? (await entry.opening?.catch(() => undefined));
    await link?.[Symbol.asyncDispose]();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#entries.keys()].map((id) => this.release(id)));
  }

  #getEntry(id: string, isStandalone: boolean): RunnerEntry {
    const existing = this.#entries.get(id);
    if (existing) return existing;
    const entry: RunnerEntry = {
      client: new RunnerClient({
        runnerId: id,
        link: (signal) => (isStandalone ? this.#getStandaloneLink(id, entry, signal) : this.#getRunLink(id, signal)),
      }),
      users: 0,
      opening: undefined,
      stop: new AbortController(),
      link: undefined,
      idle: undefined,
    };
    this.#entries.set(id, entry);
    return entry;
  }

  async #getStandaloneLink(id: string, entry: RunnerEntry, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    entry.stop.signal.throwIfAborted();
    if (entry.link && !entry.link.signal.aborted) return entry.link;
    entry.link = undefined;
    // The caller's signal does not end the opening: others may wait for the same link, or use it
    // next.
    entry.opening ??= this.#options
      .openLink(id, entry.stop.signal)
      .then((link) => (entry.link = link))
      .finally(() => (entry.opening = undefined));
    return entry.opening;
  }

  async #getRunLink(id: string, signal: AbortSignal): Promise<Link> {
    for (;;) {
      signal.throwIfAborted();
      const link = this.#options.runLinks.get(id);
      if (link && !link.signal.aborted) return link;
      if (!(await this.#options.hasActiveRun(id))) {
        const reason = "it has no active run; a prompt to its task starts one";
        throw new WharfError("runner_unavailable", { runner_id: id, reason });
      }
      await sleep(pollIntervalMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
