import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import type { RunnerRow } from "./runners.ts";
import { RunnerClient } from "./client/index.ts";
import type { Link } from "./link.ts";

export interface RunnerLinksOptions {
  /** The wires that runs hold, by runner. */
  readonly runLinks: ReadonlyMap<string, Link>;
  /** Whether a run works in the runner; its wire is then the run's and is waited for. */
  readonly hasActiveRun: (runnerId: string) => Promise<boolean>;
  /** Opens a wire to a runner that was created by hand. */
  readonly openLink: (runnerId: string, signal: AbortSignal) => Promise<Link>;
  /** How long a wire that nobody uses is kept. */
  readonly idleMs?: number;
}

/** Someone's use of a runner, until it is disposed of: so long its wire is not closed as idle. */
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

const defaultIdleMs = 60_000; // ms
/** How often the wire of a run is looked for. */
const pollIntervalMs = 100; // ms

/**
 * Wires for whoever wants into a runner: one a runner, shared by all, as a higher epoch displaces a lower one.
 *
 * - a run's runner: the wire its driver holds, or will hold in a moment. None is ever opened beside it.
 * - one created by hand: *none* → *opening*, once for all who wait → *open* while it is used and 60 s longer → *none*.
 *   A wire that broke or was displaced leads back to none; the next call opens another.
 */
export class RunnerLinks {
  readonly #options: RunnerLinksOptions;
  readonly #entries = new Map<string, RunnerEntry>();
  #isClosed = false;

  constructor(options: RunnerLinksOptions) {
    this.#options = options;
  }

  /** A client of the runner, and its wire kept while the work goes on. */
  async use<T>(runner: Pick<RunnerRow, "id" | "owner_id">, work: (client: RunnerClient) => Promise<T>): Promise<T> {
    using use = this.acquire(runner);
    return await work(use.client);
  }

  acquire({ id, owner_id }: Pick<RunnerRow, "id" | "owner_id">): RunnerUse {
    if (this.#isClosed) throw new WharfError("runner_unavailable", { runner_id: id, reason: "the server stops" });
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

  /** Whether somebody uses the runner this moment. */
  isInUse(runnerId: string): boolean {
    return (this.#entries.get(runnerId)?.users ?? 0) > 0;
  }

  /** Closes the wire, whoever uses it. */
  async release(runnerId: string): Promise<void> {
    const entry = this.#entries.get(runnerId);
    if (!entry) return;
    this.#entries.delete(runnerId);
    clearTimeout(entry.idle);
    entry.stop.abort(new WharfError("runner_unavailable", { runner_id: runnerId, reason: "it was let go of" }));
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
    // Not ended by the caller's signal: others may wait for the same wire, and the next who calls will.
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
        const reason = "no run is at work in it; a prompt to its task starts one";
        throw new WharfError("runner_unavailable", { runner_id: id, reason });
      }
      await sleep(pollIntervalMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
