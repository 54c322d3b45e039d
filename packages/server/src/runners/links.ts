import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import type { RunnerRow } from "./runners.ts";
import { RunnerClient } from "./client/index.ts";
import type { Link } from "./link.ts";

export interface RunnerLinksOptions {
  /** The wires that runs hold, by runner. */
  readonly held: ReadonlyMap<string, Link>;
  /** Whether a run works in the runner; its wire is then the run's and is waited for. */
  readonly isAtWork: (runnerId: string) => Promise<boolean>;
  /** Opens a wire to a runner that was created by hand. */
  readonly open: (runnerId: string, signal: AbortSignal) => Promise<Link>;
  /** How long a wire that nobody uses is kept. */
  readonly idleMs?: number;
}

/** Someone's use of a runner, until it is disposed of: so long its wire is not closed as idle. */
export interface RunnerUse extends Disposable {
  readonly client: RunnerClient;
}

interface Known {
  readonly client: RunnerClient;
  users: number;
  opening: Promise<Link> | undefined;
  stop: AbortController;
  link: Link | undefined;
  idle: NodeJS.Timeout | undefined;
}

const defaultIdle = 60_000; // ms
/** How often the wire of a run is looked for. */
const lookEvery = 100; // ms

/**
 * Wires for whoever wants into a runner: one a runner, shared by all, as a higher epoch displaces a lower one.
 *
 * - a run's runner: the wire its driver holds, or will hold in a moment. None is ever opened beside it.
 * - one created by hand: *none* → *opening*, once for all who wait → *open* while it is used and 60 s longer → *none*.
 *   A wire that broke or was displaced leads back to none; the next call opens another.
 */
export class RunnerLinks {
  readonly #options: RunnerLinksOptions;
  readonly #known = new Map<string, Known>();
  #closed = false;

  constructor(options: RunnerLinksOptions) {
    this.#options = options;
  }

  /** A client of the runner, and its wire kept while the work goes on. */
  async use<T>(runner: Pick<RunnerRow, "id" | "owner_id">, work: (client: RunnerClient) => Promise<T>): Promise<T> {
    using use = this.hold(runner);
    return await work(use.client);
  }

  hold({ id, owner_id }: Pick<RunnerRow, "id" | "owner_id">): RunnerUse {
    if (this.#closed) throw new WharfError("runner_unavailable", { runner_id: id, reason: "the server stops" });
    const known = this.#entry(id, owner_id !== null);
    known.users++;
    clearTimeout(known.idle);
    let over = false;
    return {
      client: known.client,
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        known.users--;
        if (known.users > 0) return;
        if (this.#known.get(id) !== known) return;
        known.idle = setTimeout(() => void this.release(id), this.#options.idleMs ?? defaultIdle).unref();
      },
    };
  }

  /** Whether somebody uses the runner this moment. */
  isInUse(runnerId: string): boolean {
    return (this.#known.get(runnerId)?.users ?? 0) > 0;
  }

  /** Closes the wire, whoever uses it. */
  async release(runnerId: string): Promise<void> {
    const known = this.#known.get(runnerId);
    if (!known) return;
    this.#known.delete(runnerId);
    clearTimeout(known.idle);
    known.stop.abort(new WharfError("runner_unavailable", { runner_id: runnerId, reason: "it was let go of" }));
    const link = known.link ?? (await known.opening?.catch(() => undefined));
    await link?.[Symbol.asyncDispose]();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#known.keys()].map((id) => this.release(id)));
  }

  #entry(id: string, own: boolean): Known {
    const there = this.#known.get(id);
    if (there) return there;
    const known: Known = {
      client: new RunnerClient({
        runnerId: id,
        link: (signal) => (own ? this.#own(id, known, signal) : this.#ofRun(id, signal)),
      }),
      users: 0,
      opening: undefined,
      stop: new AbortController(),
      link: undefined,
      idle: undefined,
    };
    this.#known.set(id, known);
    return known;
  }

  async #own(id: string, known: Known, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    known.stop.signal.throwIfAborted();
    if (known.link && !known.link.signal.aborted) return known.link;
    known.link = undefined;
    // Not ended by the caller's signal: others may wait for the same wire, and the next who calls will.
    known.opening ??= this.#options
      .open(id, known.stop.signal)
      .then((link) => (known.link = link))
      .finally(() => (known.opening = undefined));
    return known.opening;
  }

  async #ofRun(id: string, signal: AbortSignal): Promise<Link> {
    for (;;) {
      signal.throwIfAborted();
      const link = this.#options.held.get(id);
      if (link && !link.signal.aborted) return link;
      if (!(await this.#options.isAtWork(id))) {
        const reason = "no run is at work in it; a prompt to its task starts one";
        throw new WharfError("runner_unavailable", { runner_id: id, reason });
      }
      await sleep(lookEvery, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
